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
    use clientele_platform::config::Loader;

    use super::*;

    fn config(variables: &[(&str, &str)]) -> Config {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Loader::new().defaults(DEFAULT).environment(variables).read().unwrap().section("customers").unwrap()
    }

    #[test]
    fn the_defaults_are_complete_and_valid() {
        assert_eq!(config(&[]).region().unwrap(), None);
    }

    #[test]
    fn every_key_of_the_defaults_is_explained() {
        let lines: Vec<_> = DEFAULT.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
            assert!(pair[0].starts_with("# "), "{}", pair[1]);
        }
    }

    #[test]
    fn a_region_that_does_not_exist_is_refused_with_its_key() {
        let error = config(&[("CLIENTELE_CUSTOMERS__DEFAULT_REGION", "Spain")]).region().unwrap_err();
        assert_eq!(error.violations[0].field, "customers.default_region");
    }
}
