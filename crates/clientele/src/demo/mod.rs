//! A believable invented company for a first look: `clientele up --demo`.
//!
//! Tilovar sells coffee, tea and what belongs to them in four shops and on a site. It has 2,000 customers of four languages, two
//! years of orders, consents with evidence, dialogs, letters and segments. All of it is invented; addresses and numbers are
//! such as nobody has. It follows from the moment of its making alone, and is sent in the batches and under the references that
//! any other system would use, by an actor of its own: killed and started again, it goes on, and writes nothing twice.
//!
//! - [`dice`], [`calendar`], [`words`]: what it is made of
//! - [`shop`]: what stays: stores, colleagues, catalogue, templates, segments
//! - [`people`], [`sales`], [`talk`]: what follows from the moment of making
//! - [`company`]: all of that together
//! - [`note`]: how far the making has come, in the data directory
//! - [`fill`]: sends it

mod calendar;
mod company;
mod dice;
mod fill;
mod note;
mod people;
mod sales;
mod shop;
mod talk;
mod words;

use std::path::Path;

use chrono::{DurationRound, TimeDelta};
use clientele_kernel::{Clock, Entropy, Error};
use clientele_platform::grpc::Clients;

use self::calendar::Calendar;
use self::company::Company;
use self::fill::Filler;
use self::note::Note;

/// The name under which identity knows who fills the house.
pub(crate) const ACTOR: &str = "demo";
/// The old system of the company, by which its records are known.
const SOURCE: &str = "tilovar";

/// Fills an empty house, or goes on where an earlier start was interrupted; one that is filled already stays as it is.
/// `FAILED_PRECONDITION` for a house with customers of its own: invented ones are never mixed with real ones.
pub(crate) async fn run(
    folder: &Path,
    clients: &Clients,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    say: fn(std::fmt::Arguments<'_>),
) -> Result<(), Error> {
    let filler = Filler::new(clients, entropy, say);
    let mut note = match Note::read(folder)? {
        Some(note) if note.complete => {
            say(format_args!("demo: the company is there already, made on {}", note.made_at.format("%Y-%m-%d")));
            return Ok(());
        }
        Some(note) => note,
        None => {
            filler.require_empty().await?;
            let made_at = clock.now().duration_trunc(TimeDelta::hours(1)).map_err(Error::internal)?;
            let note = Note { made_at, complete: false };
            note.write(folder)?;
            note
        }
    };
    say(format_args!("demo: making the company …"));
    let begun = std::time::Instant::now();
    let company = Company::of(Calendar(note.made_at));
    filler.fill(&company).await?;
    note.complete = true;
    note.write(folder)?;
    say(format_args!("demo: done in {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(())
}
