//! The plan of the house, as far as a program can hold anybody to it: who may depend on whom, between crates and between
//! the layers of one, what lies at the top, and which words of SQL are banned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use clientele_contracts::{CONTEXTS, access};
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
        ("tabular", "platform"),
        ("orders", "tabular"),
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
        ("customers", "tabular", "normal"),
        ("customers", "testkit", "dev"),
        ("clientele", "orders", "normal"),
    ] {
        assert!(made_up(from, to, kind).is_empty(), "{from} -> {to}");
    }
}

#[test]
fn layers_of_a_context_use_only_those_below_them() {
    let mut wrong = Vec::new();
    for context in CONTEXTS {
        let source = root().join("crates").join(context).join("src");
        let mut files = Vec::new();
        collect(&source, "rs", &mut files);
        let within = |layer: &str| files.iter().any(|file| file.starts_with(source.join(layer)));
        for layer in ["domain", "store", "app", "events", "grpc"] {
            assert!(within(layer), "{context} has no layer {layer}");
        }
        for file in files {
            let module = file.strip_prefix(&source).expect("it was found there").with_extension("");
            let text = std::fs::read_to_string(&file).expect("a source is text");
            wrong.extend(wrong_uses(&module, &text).into_iter().map(|name| format!("{}: {name}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "a layer uses what lies above it:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_check_of_layers_finds_each_way_to_name_another() {
    for (module, text) in [
        ("domain/order", "use crate::store::order::Filter;"),
        ("domain/order", "use crate::{\n    Error,\n    app::order,\n};"),
        ("domain/order", "use super::super::store;"),
        ("domain/mod", "use super::{text, events};"),
        ("domain/order", "fn find(pool: &sqlx::PgPool) {}"),
        ("domain/order", "use tonic::Status;"),
        ("domain/order", "use ::sqlx::PgPool;"),
        ("store/order", "use crate::app::order::Orders;"),
        ("app/order", "let answer = crate::grpc::order::encode(&order);"),
        ("app/order", "use crate::{Error, grpc};"),
        ("app/order/batch", "use super::super::super::grpc;"),
        ("events/publish", "use crate::grpc;"),
        ("contract", "use super::grpc::order;"),
        ("contract/order", "use crate::store;"),
    ] {
        assert_eq!(wrong_uses(Path::new(module), text).len(), 1, "{module}: {text}");
    }
    for (module, text) in [
        ("domain/user", "use super::store::Store;"),
        ("domain/user", "use crate::domain::{store, text};"),
        ("domain/user", "// once in crate::store, now here"),
        ("domain/customer/mod", "use super::events;"),
        ("domain/order", "let app = store(grpc, my_sqlx::pool());"),
        ("store/order", "use sqlx::PgPool;"),
        ("app/order", "use crate::{Error, contract, store};"),
        ("app/order", "use clientele_platform::grpc::{self, Clients};"),
        ("grpc/order", "use crate::{app, contract};"),
        ("service", "use crate::{app, events, grpc, store};"),
    ] {
        assert_eq!(wrong_uses(Path::new(module), text), Vec::<String>::new(), "{module}: {text}");
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

#[test]
fn what_a_context_asks_about_a_caller_is_declared_by_one_of_its_methods() {
    let known = access::permissions();
    let mut asked = Vec::new();
    for context in CONTEXTS {
        let mut files = Vec::new();
        collect(&root().join("crates").join(context).join("src"), "rs", &mut files);
        let texts = files.iter().map(|file| std::fs::read_to_string(file).expect("a source is text"));
        let code = texts.collect::<Vec<_>>().join("\n");
        let own = format!("/clientele.{context}.v1.");
        for permission in asked_about(&code) {
            let permission = permission.unwrap_or_else(|argument| {
                panic!("{context} asks about `{argument}`: name the permission, or a constant that holds it")
            });
            let methods = known.get(permission.as_str()).map_or(&[][..], Vec::as_slice);
            assert!(
                methods.iter().any(|path| path.starts_with(&own)),
                "{context} asks about `{permission}`: declare it at the method, as `also`, or nobody can be given it"
            );
            asked.push(permission);
        }
    }
    for permission in ["customers.import.read_all", "messaging.dialog.reassign", "orders.order.import"] {
        assert!(asked.iter().any(|name| name == permission), "{permission} is not among {asked:?}");
    }
}

#[test]
fn the_check_of_permissions_reads_names_and_constants() {
    let code = "const ALL: &str = \"a.b.read_all\"; caller.permissions.allow(ALL) || caller.require(\"a.b.c\")?; \
                caller.require(name)?; etag.require(version)?;";
    let expected = [Ok("a.b.read_all".to_owned()), Ok("a.b.c".to_owned()), Err("name".to_owned())];
    assert_eq!(asked_about(code), expected);
}

/// The permissions a code asks about a caller, by name or by a constant of the same code; else what stands there.
fn asked_about(code: &str) -> Vec<Result<String, String>> {
    let quoted = |text: &str| text.strip_prefix('"').and_then(|rest| rest.split('"').next()).map(str::to_owned);
    ["caller.permissions.allow(", "caller.require("]
        .into_iter()
        .flat_map(|call| code.match_indices(call).map(move |(at, _)| &code[at + call.len()..]))
        .map(|rest| {
            let argument = rest[..rest.find(')').unwrap_or(rest.len())].trim();
            let constant = || {
                let (_, value) = code.split_once(&format!("const {argument}: &str = "))?;
                quoted(value)
            };
            quoted(argument).or_else(constant).ok_or_else(|| argument.to_owned())
        })
        .collect()
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

/// What a layer of a context may not use: modules at the top of its crate, and libraries.
fn banned_above(layer: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match layer {
        "domain" => (&["app", "contract", "events", "grpc", "store"], &["sqlx", "tonic"]),
        "store" => (&["app", "grpc"], &[]),
        "contract" => (&["app", "events", "grpc", "store"], &["sqlx", "tonic"]),
        "app" | "events" => (&["grpc"], &[]),
        _ => (&[], &[]),
    }
}

/// What a module (its path within `src`) names that its layer may not use.
fn wrong_uses(module: &Path, text: &str) -> Vec<String> {
    let parts: Vec<_> = module.iter().map(|part| part.to_string_lossy()).filter(|part| part != "mod").collect();
    let (modules, libraries) = banned_above(parts.first().map_or("", |layer| layer));
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let code = lines.collect::<Vec<_>>().join(" ");
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut wrong = Vec::new();
    // Each `super` goes up by one module: as many as the module is deep lead to the top of the crate.
    for top in ["crate::".to_owned(), "super::".repeat(parts.len())] {
        for (at, _) in code.match_indices(&top) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| part_of_name(c) || c == ':') {
                let named = first_names(&code[at + top.len()..]).into_iter().filter(|name| modules.contains(name));
                wrong.extend(named.map(|name| format!("{top}{name}")));
            }
        }
    }
    for library in libraries {
        let path = format!("{library}::");
        let found = code.match_indices(&path).map(|(at, _)| &code[..at]);
        let bare = |before: &str| match before.strip_suffix("::") {
            Some(rest) => !rest.ends_with(part_of_name),
            None => !before.ends_with(part_of_name),
        };
        wrong.extend(found.filter(|before| bare(before)).map(|_| path.clone()));
    }
    wrong
}

/// The names that a path goes on with: one, or those of a list in braces without what lies below them.
fn first_names(rest: &str) -> Vec<&str> {
    let word = |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let Some(list) = rest.strip_prefix('{') else { return vec![&rest[..word(rest)]] };
    let (mut names, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let name = list[start..at].trim_start();
                names.push(&name[..word(name)]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

/// What each crate of ours may depend on: in its code, and in its tests besides.
fn allowed(from: &str) -> Option<(Vec<&'static str>, Vec<&'static str>)> {
    let below = vec!["kernel", "contracts", "platform"];
    let of_tests = vec!["testkit", "embedded"];
    let everything: Vec<_> = below.iter().copied().chain(CONTEXTS).chain(["gateway", "embedded", "tabular"]).collect();
    Some(match from {
        "kernel" | "embedded" => (vec![], vec![]),
        // Tabular is pure like the kernel, whose money and errors it speaks in.
        "contracts" | "tabular" => (vec!["kernel"], vec![]),
        "platform" => (vec!["kernel", "contracts"], of_tests),
        "gateway" => (below, of_tests),
        // Files that people bring in are read there.
        "customers" => (below.into_iter().chain(["tabular"]).collect(), of_tests),
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
