//! Files of rows, as other programs write them: CSV and its kin. Pure: what is read comes through [`std::io::Read`], and
//! nothing here knows of files, networks or databases.
//!
//! - [`source`]: from packed and encoded bytes to text, bounded; what is no text is refused
//! - [`records`]: the rows, one at a time, with the lines they begin in; a quote left open costs its own line only
//! - [`sniff`]: encoding, delimiter, padding and header, as far as the file shows them
//! - [`survey`]: what the columns hold, over the whole file
//! - [`date`], [`number`]: the ways dates and numbers are written, found out and read

pub mod date;
mod error;
pub mod number;
pub mod records;
pub mod sniff;
pub mod source;
pub mod survey;

pub use error::Error;
pub use records::{Delimiter, Outcome, Record, Records, Trouble};
