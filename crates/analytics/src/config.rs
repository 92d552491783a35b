//! The section `[analytics]` of the configuration.

use chrono_tz::Tz;
use serde::Deserialize;

/// The documented defaults of the section.
pub const DEFAULT: &str = include_str!("../default.toml");

/// What analytics takes from configuration; `default.toml` of this crate says what each key means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Time zone of the company's reports.
    pub report_zone: Tz,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clientele_platform::config::load;

    #[derive(Debug, Deserialize)]
    struct Sections {
        analytics: Config,
    }

    #[test]
    fn the_documented_defaults_are_read() {
        let sections: Sections = load(&[DEFAULT], None, []).unwrap();
        assert_eq!(sections.analytics.report_zone, Tz::UTC);
    }

    #[test]
    fn a_time_zone_that_does_not_exist_is_refused_with_its_name() {
        let variable = ("CLIENTELE_ANALYTICS__REPORT_ZONE".to_owned(), "Europe/Atlantis".to_owned());
        let error = load::<Sections>(&[DEFAULT], None, [variable]).unwrap_err();
        assert!(error.to_string().contains("report_zone"), "{error}");
    }
}
