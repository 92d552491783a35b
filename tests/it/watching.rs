//! What the people who run a house watch: metrics, alerts, the dashboard, logs, and the pages that go with them.
//!
//! - [`exposition`]: what `/metrics` says
//! - [`promql`]: whether an expression speaks of series that are there
//! - [`pages`]: the documents in `deploy/`, held against the sources

mod exposition;
mod pages;
mod promql;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clientele_testkit::eventually_within;
use futures::future::join_all;
use serde_json::Value;

use self::exposition::{Labels, Seen};
use crate::house::{Faults, Form, House, Options};
use crate::shop::{Books, CAUGHT_UP, FRESH, Sale, customer};

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Set to write the tables of `deploy/watching.md` anew instead of comparing them.
const WRITE: &str = "CLIENTELE_WRITE_TABLES";
/// So many of one line are written in a minute; an outage of a test may fall into two.
const MOST_LINES: usize = 2 * 20;

fn read(path: &str) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("deploy/monitoring/alerts.yaml")).expect("the rules are YAML");
    let groups = file["groups"].as_array().expect("the rules have groups").iter();
    groups.flat_map(|group| group["rules"].as_array().expect("a group has rules").clone()).collect()
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_else(|| panic!("no {key} in {of}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_dashboard_and_tables_speak_of_what_programs_show_and_trouble_alone_is_logged_and_not_without_end() {
    // Files that outlive their server: it is to come back with them.
    let disks = clientele_embedded::scratch_dir().expect("the temporary folder is writable");
    let faults =
        Faults { disks: Some((disks.path().join("postgres"), disks.path().join("nats"))), ..Faults::default() };
    let mut house = House::start_with(Form::Apart, Options { metrics: true, faults, ..Options::default() }).await;
    let client = house.administrator().await;
    let begun: BTreeMap<String, usize> = house.logs().into_iter().map(|(name, log)| (name, log.len())).collect();
    let id = customer(&client, "Watched Over").await;
    let path = format!("/v1/customers/{id}");
    let mut books = Books::default();
    books.sell(&client, &[Sale::nth(0, std::slice::from_ref(&id)), Sale::nth(1, std::slice::from_ref(&id))]).await;
    books.agree_with_cards(&client, std::slice::from_ref(&id), FRESH).await;
    client.get("/v1/customers/00000000-0000-7000-8000-000000000000").await.problem(404, "NOT_FOUND");
    client.get("/v1/customers?query=watched").await.ok();
    for (name, log) in house.logs() {
        let new = &log[begun[&name]..];
        assert!(!new.contains("\"WARN\"") && !new.contains("\"ERROR\""), "{name} complains in health: {new}");
    }
    let mut seen = Seen::default();
    scrape(&house, &mut seen).await;

    // The database goes away for all of them.
    house.kill9_postgres().await;
    for refused in join_all((0..60).map(|_| client.get(&path))).await {
        refused.problem(503, "UNAVAILABLE");
    }
    for (service, line) in [
        ("gateway", "a request was not served"),
        ("customers", "a request could not be served"),
        ("customers", "the relay cannot reach its database; trying again"),
        ("customers", "imports to work on could not be looked for"),
        ("orders", "leases could not be renewed; trying again"),
        ("messaging", "a letter could not be worked on"),
        ("campaigns", "background work has failed; trying again"),
    ] {
        let warned = |log: &str| log.lines().filter(|told| told.contains(line) && told.contains("\"WARN\"")).count();
        let lines = eventually_within(FRESH, &format!("a warning of {service}: {line}"), || async {
            let (_, log) = house.logs().into_iter().find(|(name, _)| name == service).expect("it has a log");
            Some(warned(&log)).filter(|lines| *lines > 0)
        })
        .await;
        assert!(lines <= MOST_LINES, "{lines} times in the log of {service}: {line}");
    }
    scrape(&house, &mut seen).await;
    house.start_postgres().await;
    eventually_within(CAUGHT_UP, "the customer's being there again", || async {
        (client.get(&path).await.status == 200).then_some(())
    })
    .await;
    house.kill9("customers");
    client.get(&path).await.problem(503, "UNAVAILABLE");
    house.start_service("customers").await;
    for (name, log) in house.logs() {
        assert!(!log.contains("\"ERROR\""), "{name} takes an outage for a fault of its own: {log}");
    }
    scrape(&house, &mut seen).await;

    nothing_of_anybody_is_a_label(&seen);
    for job in pages::jobs() {
        seen.known("up", Labels::from([("job".into(), job), ("instance".into(), "10.0.0.1:9090".into())]));
    }
    let mut wrong = rules_speak_of(&mut seen);
    wrong.extend(dashboard_speaks_of(&seen));
    for (page, question) in pages::questions() {
        wrong.extend(promql::look(&question, &seen).1.into_iter().map(|found| format!("{page}: {question}: {found}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    pages::metrics_are_told(&seen);
}

/// Reads what every program shows.
async fn scrape(house: &House, seen: &mut Seen) {
    for (name, address) in house.metrics() {
        let text = reqwest::get(&address).await.expect("metrics are served").text().await.expect("metrics are text");
        // As its Service in Kubernetes is called.
        let job = format!("clientele-{name}");
        assert!(pages::jobs().contains(&job), "{job} is no name in deploy/kubernetes");
        assert!(text.contains(&format!("service_name=\"{name}\"")), "{name} does not say who it is: {text}");
        seen.add(&job, &text);
    }
}

fn nothing_of_anybody_is_a_label(seen: &Seen) {
    for (name, series) in &seen.samples {
        assert!(series.len() < 2_000, "{name} has {} series", series.len());
        for (label, value) in series.iter().flatten() {
            let personal =
                value.contains('@') || value.split(['/', ':', '.']).any(|part| part.parse::<uuid::Uuid>().is_ok());
            assert!(!personal, "{name} has {label}=\"{value}\"");
        }
    }
}

/// What is wrong with rules. Figures that they make are known afterwards.
fn rules_speak_of(seen: &mut Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    for rule in rules() {
        let (labels, found) = promql::look(text(&rule, "expr"), seen);
        let name = rule["record"].as_str().unwrap_or_else(|| text(&rule, "alert"));
        wrong.extend(found.into_iter().map(|found| format!("{name}: {found}")));
        if rule["record"].is_string() {
            seen.known(name, labels.into_iter().map(|label| (label, "any".to_owned())).collect());
        } else {
            let summary = text(&rule["annotations"], "summary");
            let used = summary.split("$labels.").skip(1).map(word);
            wrong.extend(used.filter(|l| !labels.contains(*l)).map(|l| format!("{name}: the summary names {l}")));
        }
    }
    wrong
}

/// The letters and underscores that a text begins with.
fn word(text: &str) -> &str {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next().unwrap_or_default()
}

fn dashboard_speaks_of(seen: &Seen) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("deploy/monitoring/dashboard.json")).expect("it is JSON");
    let mut wrong = Vec::new();
    let plain = |expression: &str| expression.replace("$__rate_interval", "5m").replace("$job", "clientele-.+");
    for panel in dashboard["panels"].as_array().expect("it has panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let (labels, found) = promql::look(&plain(text(target, "expr")), seen);
            wrong.extend(found.into_iter().map(|found| format!("panel `{}`: {found}", text(panel, "title"))));
            let used = text(target, "legendFormat").split("{{").skip(1).map(word);
            let unknown = used.filter(|label| !labels.contains(*label));
            wrong.extend(unknown.map(|label| format!("panel `{}`: the legend names {label}", text(panel, "title"))));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().expect("it has variables") {
        let Some(query) = variable["query"]["query"].as_str() else { continue };
        let inner = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')')).expect("it asks for labels");
        let (selector, label) = inner.rsplit_once(", ").expect("a selector and a label");
        let (labels, found) = promql::look(selector, seen);
        wrong.extend(found);
        assert!(labels.contains(label), "{query}");
    }
    wrong
}

/// Prometheus itself reads the rules, and runs them over series that are given to it.
#[tokio::test]
async fn prometheus_takes_the_rules_and_each_alert_fires_when_it_is_to_and_rests_when_it_is_not() {
    let promtool = clientele_embedded::install::on_path("promtool").expect(
        "promtool is there: `cargo xtask test --only tools` installs it with the system's package `prometheus`",
    );
    for arguments in [
        ["check", "rules", "deploy/monitoring/alerts.yaml"],
        ["check", "config", "deploy/monitoring/scrape.yaml"],
        ["test", "rules", "tests/data/alerts.test.yaml"],
    ] {
        let ended = std::process::Command::new(&promtool).args(arguments).current_dir(ROOT).output().expect("it runs");
        let told = [ended.stdout, ended.stderr].concat();
        assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told));
    }
    // That it is shown both ways.
    let file: Value = serde_saphyr::from_str(&read("tests/data/alerts.test.yaml")).expect("the cases are YAML");
    let mut shown: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for case in file["tests"].as_array().expect("there are cases") {
        for look in case["alert_rule_test"].as_array().expect("a case looks at alerts") {
            let fires = look["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
            shown.entry(text(look, "alertname").to_owned()).or_default().insert(fires);
        }
    }
    for rule in rules().iter().filter(|rule| rule["alert"].is_string()) {
        let both = shown.get(text(rule, "alert"));
        assert_eq!(both.map(BTreeSet::len), Some(2), "{} does not fire and rest in the cases", text(rule, "alert"));
    }
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let named: BTreeSet<String> = rules()
        .iter()
        .filter(|rule| rule["alert"].is_string())
        .map(|rule| {
            // As Alertmanager and Grafana look for it, at an address that whoever runs the house puts in.
            let page = text(&rule["annotations"], "runbook_url");
            assert_eq!(page, format!("https://runbooks.example.com/{}.md", text(rule, "alert")));
            page.rsplit('/').next().unwrap_or_default().to_owned()
        })
        .collect();
    let there: BTreeSet<String> =
        pages::files("deploy/runbooks").into_iter().filter(|n| n.starts_with("Clientele")).collect();
    assert_eq!(named, there);
    for page in &there {
        let content = read(&format!("deploy/runbooks/{page}"));
        for part in ["## What it means", "## What people notice", "## Look", "## Do", "## Over"] {
            assert!(content.contains(part), "{page} has no part `{part}`");
        }
    }
    let api: Value = serde_json::from_str(&read("crates/gateway/openapi.json")).expect("it is JSON");
    for path in pages::addresses() {
        assert!(api["paths"][&path].is_object(), "a page tells to call {path}, which is not in the API");
    }
}

#[test]
fn every_reason_that_a_program_gives_has_its_entry_and_no_entry_is_of_another() {
    pages::reasons_are_told();
}

#[test]
fn every_line_that_a_program_can_log_from_info_on_is_told_at_its_level_and_no_other() {
    pages::lines_are_told();
}
