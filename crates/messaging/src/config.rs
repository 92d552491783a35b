//! The section `[messaging]` of the configuration.

use serde::Deserialize;

/// The documented defaults of the section.
pub const DEFAULT: &str = include_str!("../default.toml");

/// What messaging takes from configuration; `default.toml` of this crate says what each key means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}
