use std::io::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::*;

fn read(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Common, Error> {
    let written = file.map(|text| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    });
    Loader::new()
        .defaults(DEFAULT)
        .file(written.as_ref().map(tempfile::NamedTempFile::path))
        .environment(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .read()?
        .common()
}

/// Names of variables, of sections and keys that exist and of such that do not.
fn variables() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        "CLIENTELE_(SERVER|DATABASE|BUS|SECRETS|SERVICES|TELEMETRY|.{0,4})(_|__|___)(LISTEN|URL|KIND|ORDERS|MAX_CONNECTIONS|MASTER_KEY(_FILE)?|SERVICE_SECRET|[A-Z_]{0,9})",
        ".{0,30}",
    ];
    let value = prop_oneof![".{0,40}", "-?[0-9.e_]{0,22}", "true|false|[0-9]{1,4}(ms|s|h|y)", "/[a-z/]{0,9}"];
    prop::collection::vec((name, value), 0..6)
}

proptest! {
    #[test]
    fn any_variables_are_settings_or_refused_by_the_name_of_one(variables in variables()) {
        let given: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        match read(None, &given) {
            Ok(common) => {
                let _ = (common.secrets.master_key(), common.secrets.other_master_keys());
            }
            Err(error) => {
                let told = error.to_string();
                let key = |name: &str| name.trim_start_matches("CLIENTELE_").to_lowercase().replace("__", ".");
                // A file that cannot be read is named itself.
                let file = |name: &str, value: &str| name.ends_with("_FILE") && told.contains(value.trim());
                let named = variables.iter().any(|(name, value)| {
                    told.contains(name.as_str()) || told.contains(&key(name)) || file(name, value)
                });
                prop_assert!(named, "{told}");
            }
        }
    }

    #[test]
    fn any_file_is_settings_or_refused(
        lines in prop::collection::vec("\\[{0,2}(server|bus|secrets|.{0,5})\\]{0,2}|(listen|url|kind|master_key|.{0,6}) ?= ?('.{0,12}'|-?[0-9]{1,20}|\\[.{0,6}\\]|true|.{0,8})", 0..8),
    ) {
        if let Err(error) = read(Some(&lines.join("\n")), &[]) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn the_defaults_are_a_whole_configuration() {
    let common = read(None, &[]).unwrap();
    assert_eq!(common.server.listen.to_string(), "127.0.0.1:7100");
    assert_eq!(common.server.metrics_listen, None);
    assert_eq!(common.server.request_deadline, Duration::from_secs(10));
    assert_eq!(common.bus.kind, BusKind::InProcess);
    assert_eq!(common.services.addresses("orders").unwrap()[0].port_u16(), Some(7103));
    assert_eq!(common.services.addresses("nobody"), None);
    let several = [("CLIENTELE_SERVICES__ORDERS".to_owned(), "http://a:7103, http://[::1]:7103".to_owned())];
    let common = Loader::new().defaults(DEFAULT).environment(several).read().unwrap().common().unwrap();
    let orders: Vec<_> = common.services.addresses("orders").unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(orders, ["http://a:7103/", "http://[::1]:7103/"]);
}

#[test]
fn every_default_is_documented_by_a_comment_above_it() {
    let mut before = "";
    let mut keys = 0;
    for line in DEFAULT.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(before.starts_with("# ") && before.ends_with('.'), "`{line}` has no comment above it");
            keys += 1;
        }
        before = line;
    }
    assert!(keys > 40, "only {keys} keys were looked at");
}

#[test]
fn a_file_wins_over_the_defaults_and_a_variable_over_the_file() {
    let file = "[server]\nlisten = '0.0.0.0:1'\nmax_concurrent_requests = 7\n";
    let common = read(Some(file), &[("CLIENTELE_SERVER__LISTEN", "0.0.0.0:2")]).unwrap();
    assert_eq!(common.server.listen.port(), 2);
    assert_eq!(common.server.max_concurrent_requests.get(), 7);
}

#[test]
fn an_unknown_key_in_a_file_is_refused_with_its_path_and_what_exists() {
    let error = read(Some("[server]\nlistenn = 'x'\n"), &[]).unwrap_err().to_string();
    assert!(error.contains("`server.listenn`"), "{error}");
    assert!(error.contains("section `server` has listen, max_concurrent_requests"), "{error}");

    let error = read(Some("[servr]\n"), &[]).unwrap_err().to_string();
    assert!(error.contains("`servr`") && error.contains("the sections are bus, database"), "{error}");

    let error = read(Some("server = 1\n"), &[]).unwrap_err().to_string();
    assert!(error.contains("`server`") && error.contains("[server]"), "{error}");
}

#[test]
fn an_unknown_variable_is_refused_with_its_name_and_what_exists() {
    let error = read(None, &[("CLIENTELE_SERVER__LISTENN", "x")]).unwrap_err().to_string();
    assert!(error.starts_with("CLIENTELE_SERVER__LISTENN sets `server.listenn`"), "{error}");
    assert!(error.contains("listen,"), "{error}");
    assert!(read(None, &[("CLIENTELE_SERVR__LISTEN", "x")]).is_err());
    assert!(read(None, &[("CLIENTELE_SERVER__LISTEN__PORT", "1")]).is_err());
}

#[test]
fn a_variable_with_one_underscore_too_few_is_refused_and_others_are_let_be() {
    let error = read(None, &[("CLIENTELE_SERVER_LISTEN", "x")]).unwrap_err().to_string();
    assert!(error.contains("write CLIENTELE_SERVER__LISTEN"), "{error}");
    read(None, &[("CLIENTELE_CACHE", "/x"), ("PATH", "/bin"), ("CLIENTELE_TEST_DATA", "x")]).unwrap();
}

#[test]
fn a_variable_that_is_none_of_ours_is_refused_with_those_there_are() {
    for name in ["CLIENTELE_SERVER_COLOUR", "CLIENTELE_LISTEN", "CLIENTELE_PASWORD", "CLIENTELE_", "CLIENTELE_EXPORT_"]
    {
        let error = read(None, &[(name, "hunter2")]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name} is no variable of Clientele")), "{error}");
        assert!(error.contains("CLIENTELE_<SECTION>__<KEY>") && error.contains("CLIENTELE_PASSWORD"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn what_kubernetes_says_of_services_nearby_is_let_be() {
    let links = ["CLIENTELE", "CLIENTELE_ORDERS", "CLIENTELE_SERVER", "CLIENTELE_PORT_SERVICE"].map(|service| {
        [
            (format!("{service}_SERVICE_HOST"), "10.0.0.11"),
            (format!("{service}_SERVICE_PORT"), "7103"),
            (format!("{service}_SERVICE_PORT_GRPC"), "7103"),
            (format!("{service}_SERVICE_PORT_H2_METRICS"), "9090"),
            (format!("{service}_PORT"), "tcp://10.0.0.11:7103"),
            (format!("{service}_PORT_7103_TCP"), "tcp://10.0.0.11:7103"),
            (format!("{service}_PORT_7103_TCP_PROTO"), "tcp"),
            (format!("{service}_PORT_7103_TCP_PORT"), "7103"),
            (format!("{service}_PORT_53_UDP_ADDR"), "10.0.0.11"),
        ]
    });
    let links: Vec<_> = links.iter().flatten().map(|(name, value)| (name.as_str(), *value)).collect();
    read(None, &links).unwrap();
    assert!(read(None, &[("CLIENTELE_ORDERS_PORT", "7103")]).is_err(), "that is how somebody sets a port");
    assert!(read(None, &[("CLIENTELE_ORDERS_PORT_7103_TCPS", "x")]).is_err());
}

#[test]
fn a_wrong_choice_is_refused_with_the_right_ones() {
    let error = read(Some("[bus]\nkind = 'kafka'\n"), &[]).unwrap_err().to_string();
    assert!(error.ends_with(": expected `in_process` or `jetstream`, found `kafka`"), "{error}");
    let error = read(None, &[("CLIENTELE_TELEMETRY__FORMAT", "xml")]).unwrap_err().to_string();
    assert!(error.ends_with(": expected `json` or `text`, found `xml`"), "{error}");
}

#[test]
fn files_with_secrets_that_everybody_may_read_are_told_of() {
    let write = |mode| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a secret").unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    };
    let (open, closed, key) = (write(0o644), write(0o440), write(0o604));
    let path = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
    let variables = [
        ("CLIENTELE_SECRETS__SERVICE_SECRET_FILE", path(&open)),
        ("CLIENTELE_BUS__PASSWORD_FILE", path(&closed)),
        ("CLIENTELE_SERVER__TLS_KEY_FILE", path(&key)),
        // No secret.
        ("CLIENTELE_SERVICES__CA_FILE", path(&open)),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let read = Loader::new().defaults(DEFAULT).environment(variables).read().unwrap();
    assert_eq!(read.open, [key.path(), open.path()]);
}

#[test]
fn a_wrong_value_is_refused_with_key_source_and_what_would_be_right() {
    let error = read(None, &[("CLIENTELE_SERVER__LISTEN", "nowhere")]).unwrap_err().to_string();
    assert!(
        error.starts_with("CLIENTELE_SERVER__LISTEN sets `server.listen`") && error.contains("`nowhere`"),
        "{error}"
    );

    let error = read(None, &[("CLIENTELE_BUS__REPLICAS", "three")]).unwrap_err().to_string();
    assert!(error.contains("expected a whole number, found `three`"), "{error}");

    let error = read(Some("[bus]\nkind = 'kafka'\n"), &[]).unwrap_err().to_string();
    assert!(error.contains("`bus.kind`") && error.contains("kafka") && error.contains("jetstream"), "{error}");

    let error = read(Some("[server\n"), &[]).unwrap_err().to_string();
    assert!(error.contains("is not valid TOML"), "{error}");
}

#[test]
fn a_secret_never_shows_in_an_error_or_in_debug_output() {
    let error = read(Some("[secrets]\nmaster_key = 918273\n"), &[]).unwrap_err().to_string();
    assert!(error.contains("`secrets.master_key`") && !error.contains("918273"), "{error}");
    let error = read(Some("[secrets]\nmaster_key = hunter2\n"), &[]).unwrap_err().to_string();
    assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");

    let common = read(None, &[("CLIENTELE_DATABASE__URL", "postgres://u:hunter2@db/x")]).unwrap();
    assert!(!format!("{common:?}").contains("hunter2"));
}

#[test]
fn a_secret_of_digits_stays_text() {
    let common = read(None, &[("CLIENTELE_SECRETS__SERVICE_SECRET", "0123")]).unwrap();
    assert_eq!(common.secrets.service_secret.expose_secret(), "0123");
}

#[test]
fn a_secret_can_be_the_content_of_a_file_but_not_both() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"from a file\n").unwrap();
    let path = file.path().to_str().unwrap();

    let common = read(None, &[("CLIENTELE_SECRETS__SERVICE_SECRET_FILE", path)]).unwrap();
    assert_eq!(common.secrets.service_secret.expose_secret(), "from a file");

    let both = [("CLIENTELE_SECRETS__SERVICE_SECRET_FILE", path), ("CLIENTELE_SECRETS__SERVICE_SECRET", "x")];
    let error = read(None, &both).unwrap_err().to_string();
    assert_eq!(error, "both `secrets.service_secret` and `secrets.service_secret_file` are set; keep one of them");

    let error = read(None, &[("CLIENTELE_SECRETS__SERVICE_SECRET_FILE", "/nowhere")]).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /nowhere, which `secrets.service_secret_file` names: "), "{error}");
}

#[test]
fn the_configuration_file_can_be_named_by_a_variable() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[server]\nlisten = '[::1]:9'\n").unwrap();
    let common = read(None, &[(FILE_VARIABLE, file.path().to_str().unwrap())]).unwrap();
    assert_eq!(common.server.listen.port(), 9);
    assert!(read(None, &[(FILE_VARIABLE, "/nowhere/clientele.toml")]).is_err());
}

#[test]
fn a_service_adds_a_section_of_its_own_and_overrides_a_common_default() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Own {
        limit: u32,
        zones: Vec<String>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct All {
        shop: Own,
    }
    let own = "[shop]\nlimit = 3\nzones = ['UTC']\n";
    let variables = [("CLIENTELE_SHOP__ZONES".to_owned(), "Europe/Madrid, UTC".to_owned())];
    let configuration = Loader::new()
        .defaults(DEFAULT)
        .defaults(&format!("{own}[server]\nlisten = '127.0.0.1:7999'\n"))
        .environment(variables.clone())
        .read()
        .unwrap();
    let shop: Own = configuration.section("shop").unwrap();
    assert_eq!((shop.limit, shop.zones.join(" ")), (3, "Europe/Madrid UTC".to_owned()));
    assert_eq!(configuration.common().unwrap().server.listen.port(), 7999);

    let all: All = load(&[own], None, variables).unwrap();
    assert_eq!(all.shop.limit, 3);
}

#[test]
fn the_master_key_is_thirty_two_bytes_in_base64() {
    let key = |text: &str| read(None, &[("CLIENTELE_SECRETS__MASTER_KEY", text)]).unwrap().secrets.master_key();
    assert_eq!(key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap().as_slice(), [0; 32]);
    assert!(key("").unwrap_err().to_string().contains("it is empty"));
    assert!(key("???").unwrap_err().to_string().contains("it is not base64"));
    assert!(key("AAAA").unwrap_err().to_string().contains("it has 3 bytes, 32 are needed"));
}

#[test]
fn migrations_use_the_ordinary_address_unless_they_have_their_own() {
    let common = read(None, &[("CLIENTELE_DATABASE__URL", "a")]).unwrap();
    assert_eq!(common.database.migration_url().expose_secret(), "a");
    let common = read(None, &[("CLIENTELE_DATABASE__MIGRATION_URL", "b")]).unwrap();
    assert_eq!(common.database.migration_url().expose_secret(), "b");
}
