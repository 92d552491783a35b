//! The plan of the house, as far as a program can hold anybody to it: who may depend on whom, what lies at the top, and
//! which words of SQL are banned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use clientele_contracts::CONTEXTS;
use serde_json::Value;

/// What lies at the top beside dotfiles and what is built.
const TOP: [&str; 9] =
    ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "crates", "deploy", "migrations", "proto", "tests"];

/// Time and randomness come from Rust, where tests can drive them.
const BANNED_SQL: [&str; 9] = [
    "current_date",
    "current_time",
    "current_timestamp",
    "clock_timestamp",
    "gen_random_uuid",
    "localtimestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "uuid_generate_v4",
];

#[test]
fn dependencies_point_one_way() {
    let found = dependencies();
    let wrong = wrong_dependencies(&found);
    assert!(wrong.is_empty(), "the plan does not allow:\n  {}", wrong.join("\n  "));
    for context in CONTEXTS {
        assert!(found.contains_key(context), "{context} is no crate of the workspace");
    }
}

#[test]
fn the_check_of_directions_finds_what_points_the_wrong_way() {
    let made_up = |from: &str, to: &str, kind: &str| {
        wrong_dependencies(&BTreeMap::from([(from.to_owned(), vec![(to.to_owned(), kind.to_owned())])]))
    };
    for (from, to) in [
        ("kernel", "contracts"),
        ("contracts", "platform"),
        ("platform", "customers"),
        ("customers", "orders"),
        ("customers", "embedded"),
        ("customers", "gateway"),
        ("gateway", "customers"),
        ("embedded", "platform"),
        ("clientele", "testkit"),
        ("newcomer", "kernel"),
    ] {
        assert_eq!(made_up(from, to, "normal").len(), 1, "{from} -> {to}");
    }
    assert_eq!(made_up("analytics", "orders", "dev").len(), 1);
    assert_eq!(made_up("customers", "testkit", "normal").len(), 1);
    for (from, to, kind) in [
        ("contracts", "kernel", "normal"),
        ("customers", "platform", "normal"),
        ("customers", "testkit", "dev"),
        ("clientele", "orders", "normal"),
    ] {
        assert!(made_up(from, to, kind).is_empty(), "{from} -> {to}");
    }
}

#[test]
fn the_top_level_holds_what_the_plan_says_and_nothing_more() {
    let entries = std::fs::read_dir(root()).expect("the workspace can be read");
    let strangers: Vec<_> = entries
        .map(|entry| entry.expect("an entry can be read").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target" && !TOP.contains(&name.as_str()))
        .collect();
    assert!(strangers.is_empty(), "not in the plan: {strangers:?}");
}

#[test]
fn sql_takes_neither_time_nor_randomness_from_the_database() {
    let mut files = Vec::new();
    collect(&root().join("migrations"), "sql", &mut files);
    assert!(!files.is_empty());
    for entry in std::fs::read_dir(root().join("crates")).expect("the crates can be read") {
        collect(&entry.expect("an entry can be read").path().join("src"), "rs", &mut files);
    }
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source is text");
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(word) = banned(line) {
                wrong.push(format!("{}:{number}: {word}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "take it as a parameter from Rust:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_check_of_sql_tells_the_database_s_clock_from_ours() {
    for line in [
        "default now()",
        "  select now () - interval '1 day'",
        "where at < NOW()",
        "default CURRENT_TIMESTAMP",
        "gen_random_uuid()",
    ] {
        assert!(banned(line).is_some(), "{line}");
    }
    for line in [
        "let now = clock.now();",
        "Instant::now()",
        "fn now(&self)",
        "-- now() is banned",
        "// not now()",
        "known()",
        "at <= $1",
    ] {
        assert_eq!(banned(line), None, "{line}");
    }
}

/// The first banned word of a line of SQL or of Rust around SQL.
fn banned(line: &str) -> Option<&'static str> {
    let code = line.trim_start();
    if code.starts_with("--") || code.starts_with("//") {
        return None;
    }
    let code = code.to_lowercase();
    let whole_word = |word: &str| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        code.match_indices(word)
            .map(|(at, _)| (code[..at].chars().next_back(), code[at + word.len()..].trim_start()))
            .any(|(before, after)| {
                let bare = !before.is_some_and(|c| part(c) || c == '.' || c == ':');
                let ends = !after.starts_with(part);
                bare && ends && (word != "now" || after.replace(' ', "").starts_with("()"))
            })
    };
    BANNED_SQL.into_iter().find(|word| whole_word(word)).or_else(|| whole_word("now").then_some("now()"))
}

/// What each crate of ours may depend on: in its code, and in its tests besides.
fn allowed(from: &str) -> Option<(Vec<&'static str>, Vec<&'static str>)> {
    let below = vec!["kernel", "contracts", "platform"];
    let of_tests = vec!["testkit", "embedded"];
    let everything: Vec<_> = below.iter().copied().chain(CONTEXTS).chain(["gateway", "embedded"]).collect();
    Some(match from {
        "kernel" | "embedded" => (vec![], vec![]),
        "contracts" => (vec!["kernel"], vec![]),
        "platform" => (vec!["kernel", "contracts"], of_tests),
        "gateway" => (below, of_tests),
        context if CONTEXTS.contains(&context) => (below, of_tests),
        "testkit" => (vec!["kernel", "contracts", "platform", "embedded"], vec![]),
        "clientele" => (everything, of_tests),
        "xtask" => (vec!["embedded", "platform"], vec![]),
        // These run the programs and know none of their code.
        "tests" => (vec![], vec!["kernel", "contracts", "platform", "embedded", "testkit"]),
        _ => return None,
    })
}

type Dependencies = BTreeMap<String, Vec<(String, String)>>;

fn wrong_dependencies(found: &Dependencies) -> Vec<String> {
    let mut wrong = Vec::new();
    for (from, dependencies) in found {
        let Some((code, tests)) = allowed(from) else {
            wrong.push(format!("{from}, which is not in the plan"));
            continue;
        };
        for (to, kind) in dependencies {
            let fits = code.contains(&to.as_str()) || (kind == "dev" && tests.contains(&to.as_str()));
            if !fits {
                wrong.push(format!("{from} -> {to} ({kind})"));
            }
        }
    }
    wrong
}

/// Each crate of ours with those of ours that it depends on, without the prefix.
fn dependencies() -> Dependencies {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let text = |value: &Value| value.as_str().expect("it is text").to_owned();
    let ours = |name: &str| name.strip_prefix("clientele-").unwrap_or(name).to_owned();
    let packages = metadata["packages"].as_array().expect("a workspace has packages");
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().expect("a package tells its dependencies");
            let on_ours = all.iter().filter(|dependency| dependency["path"].is_string());
            let named = on_ours.map(|dependency| {
                let kind = dependency["kind"].as_str().unwrap_or("normal");
                (ours(&text(&dependency["name"])), kind.to_owned())
            });
            (ours(&text(&package["name"])), named.collect())
        })
        .collect()
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
