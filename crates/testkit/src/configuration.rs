//! What the tests of each service's configuration share.

use clientele_platform::config::Loader;
use serde::de::DeserializeOwned;

/// A service's section as its documented defaults and these keys give it, the keys as variables name them:
/// `section("identity", DEFAULT, &[("SESSION_IDLE", "1s")])`.
pub fn section<Config: DeserializeOwned>(name: &str, defaults: &str, keys: &[(&str, &str)]) -> Config {
    let variable = |key: &str| format!("CLIENTELE_{}__{key}", name.to_uppercase());
    let variables = keys.iter().map(|(key, value)| (variable(key), (*value).to_owned()));
    let read = Loader::new().defaults(defaults).environment(variables).read();
    read.and_then(|read| read.section(name)).expect("each key is of the section, and each value of its kind")
}

/// Fails for a key that nothing is said about.
pub fn assert_explained(defaults: &str) {
    let lines: Vec<_> = defaults.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
        assert!(pair[0].starts_with("# "), "nothing is said about {}", pair[1]);
    }
}
