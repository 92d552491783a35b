//! The section `[customers]` of the configuration.

use clientele_kernel::Error;
use clientele_kernel::error::shorten;
use serde::Deserialize;

use crate::domain::contact::Region;

/// The documented defaults of the section.
pub const DEFAULT: &str = include_str!("../default.toml");

/// What customers takes from configuration; `default.toml` of this crate says what each key means.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is documented in default.toml, which a test keeps complete")]
pub struct Config {
    pub default_region: String,
}

impl Config {
    /// The region of numbers without a country code; the error names the key.
    pub(crate) fn region(&self) -> Result<Option<Region>, Error> {
        if self.default_region.is_empty() {
            return Ok(None);
        }
        Region::parse(&self.default_region).map(Some).ok_or_else(|| {
            let shown = shorten(&self.default_region);
            Error::invalid(
                "customers.default_region",
                format!("`{shown}` is not a country: two letters such as `ES` are wanted"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use clientele_testkit::configuration;

    use super::*;

    fn config(keys: &[(&str, &str)]) -> Config {
        configuration::section("customers", DEFAULT, keys)
    }

    #[test]
    fn the_defaults_are_complete_and_valid() {
        assert_eq!(config(&[]).region().unwrap(), None);
    }

    #[test]
    fn every_key_of_the_defaults_is_explained() {
        configuration::assert_explained(DEFAULT);
    }

    #[test]
    fn a_region_that_does_not_exist_is_refused_with_its_key() {
        let error = config(&[("DEFAULT_REGION", "Spain")]).region().unwrap_err();
        assert_eq!(error.violations[0].field, "customers.default_region");
    }
}
