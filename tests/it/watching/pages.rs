//! The documents in `deploy/` that tell what programs show, log and answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::exposition::Seen;
use super::{ROOT, WRITE, read};
use crate::house::{GATEWAY, SERVICES};

/// The programs, as Prometheus knows them: by the names of their Services.
pub(super) fn jobs() -> BTreeSet<String> {
    let folders = files("deploy/kubernetes/base");
    SERVICES
        .into_iter()
        .chain([GATEWAY])
        .map(|service| {
            assert!(folders.iter().any(|folder| folder == service), "deploy/kubernetes/base has no {service}");
            format!("clientele-{service}")
        })
        .collect()
}

/// What a folder holds.
pub(super) fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(ROOT).join(folder)).expect("the folder is there");
    entries.map(|entry| entry.expect("it can be read").file_name().into_string().expect("names are text")).collect()
}

/// The questions to Prometheus that pages of alerts tell to ask, with the pages.
pub(super) fn questions() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for page in files("deploy/runbooks").into_iter().filter(|name| name.starts_with("Clientele")) {
        let content = read(&format!("deploy/runbooks/{page}"));
        let part =
            content.split("## Look").nth(1).and_then(|rest| rest.split("```").nth(1)).expect("it tells where to look");
        let others = ["kubectl ", "curl ", "select ", "nats ", "ssh "];
        let asked = part.lines().map(str::trim).filter(|line| !line.is_empty());
        let asked = asked.filter(|line| !others.iter().any(|other| line.starts_with(other)));
        all.extend(asked.map(|line| (page.clone(), line.replace("clientele-SERVICE", "clientele-customers"))));
    }
    assert!(all.len() > 20, "only {} questions were found", all.len());
    all
}

/// The addresses that pages tell to call.
pub(super) fn addresses() -> BTreeSet<String> {
    let pages = files("deploy/runbooks").into_iter().map(|page| read(&format!("deploy/runbooks/{page}")));
    let of_page = |content: String| {
        let parts: Vec<_> = content.split("https://HOST").skip(1).map(str::to_owned).collect();
        parts
    };
    let path = |rest: String| rest.split(['?', '\'', '`', '"', ' ']).next().unwrap_or_default().to_owned();
    pages.flat_map(of_page).map(path).map(|path| path.replace("SERVICE", "analytics")).collect()
}

/// The table of metrics in `deploy/watching.md` is what was seen.
pub(super) fn metrics_are_told(seen: &Seen) {
    let mut table = String::from("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
    for (name, family) in &seen.families {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let help = family.help.trim_end_matches('.');
        writeln!(table, "| `{name}` | {} | {} | {help} |", family.kind, labels.join(", ")).expect("a text grows");
    }
    agree("deploy/watching.md", "metrics", &table);
}

/// What stands between `<!-- name -->` and `<!-- end of name -->`.
fn section<'a>(page: &'a str, name: &str) -> (&'a str, &'a str, &'a str) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
    let (told, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no {end}"));
    (before, told, after)
}

fn agree(page: &str, name: &str, table: &str) {
    let content = read(page);
    let (before, told, after) = section(&content, name);
    if std::env::var_os(WRITE).is_some() {
        let whole = format!("{before}<!-- {name} -->\n\n{table}\n<!-- end of {name} -->{after}");
        std::fs::write(Path::new(ROOT).join(page), whole).expect("the page is writable");
        return;
    }
    assert_eq!(told.trim(), table.trim(), "{page} tells otherwise; with {WRITE}=1 this test writes it");
}

/// Sources of programs by crate, without their tests and settings.
fn sources(crates: &[&str]) -> Vec<(String, String)> {
    fn collect(folder: &Path, crate_name: &str, into: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).expect("sources are there") {
            let path = entry.expect("it can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("names are text").to_owned();
            if path.is_dir() {
                collect(&path, crate_name, into);
            } else if Path::new(&name).extension().is_some_and(|end| end == "rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).expect("sources are text");
                let own = text.split("\nmod tests {").next().unwrap_or_default().to_owned();
                into.push((format!("{crate_name}/{name}"), own));
            }
        }
    }
    let mut all = Vec::new();
    for name in crates {
        collect(&Path::new(ROOT).join("crates").join(name).join("src"), name, &mut all);
    }
    all
}

/// The literals of a source.
fn literals(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(begin) = rest.find('"') {
        let within = &rest[begin + 1..];
        let Some(end) = end_of_literal(within) else { break };
        found.push(&within[..end]);
        rest = &within[end + 1..];
    }
    found
}

fn end_of_literal(within: &str) -> Option<usize> {
    let mut escaped = false;
    within.char_indices().find_map(|(at, letter)| {
        let ends = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends.then_some(at)
    })
}

/// Reasons of one word, which cannot be told from other words by their looks.
const SHORT: [&str; 8] =
    ["ABORTED", "CONFIGURATION", "INTERNAL", "OVERLOADED", "RESTORED", "STOPPING", "UNAUTHENTICATED", "UNAVAILABLE"];

/// Written like reasons, and none: variables of the environment, operators of rules.
const NO_REASONS: [&str; 15] = [
    "API_KEY",
    "CARGO_PKG_VERSION",
    "CLIENTELE_CONFIG",
    "CLIENTELE_TEST_CLOCK",
    "DATA_DIR",
    "POSTGRES_BIN",
    "WAL_ARCHIVE",
    "NATS_SERVER",
    "AT_LEAST",
    "AT_MOST",
    "IS_ABSENT",
    "IS_PRESENT",
    "LESS_DAYS_AGO",
    "MORE_DAYS_AGO",
    "NOT_EQUAL",
];

/// The entries of `deploy/runbooks/reasons.md` are the reasons that the sources name.
pub(super) fn reasons_are_told() {
    let crates = [
        "analytics",
        "campaigns",
        "customers",
        "gateway",
        "identity",
        "kernel",
        "messaging",
        "orders",
        "platform",
        "tabular",
    ];
    let looks_like_one = |text: &&str| {
        text.contains('_')
            && text.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase()))
    };
    let mut given: BTreeSet<String> = BTreeSet::new();
    for (file, source) in sources(&crates) {
        let named = ["/config.rs", "/main.rs"].iter().any(|end| file.ends_with(end));
        let found = literals_in_order(&source);
        if !named {
            given.extend(found.iter().copied().filter(looks_like_one).map(str::to_owned));
        }
        given.extend(found.into_iter().filter(|text| SHORT.contains(text)).map(str::to_owned));
    }
    given.retain(|reason| !NO_REASONS.contains(&reason.as_str()));
    assert!(given.len() > 100, "only {} reasons were found", given.len());

    let page = read("deploy/runbooks/reasons.md");
    let anchors = page.lines().filter_map(|line| line.strip_prefix("| <a id=\"")?.split_once('"'));
    let told: BTreeSet<String> = anchors.map(|(reason, _)| reason.to_owned()).collect();
    let missing: Vec<_> = given.difference(&told).collect();
    let left: Vec<_> = told.difference(&given).collect();
    assert!(missing.is_empty() && left.is_empty(), "without an entry: {missing:?}; of nobody: {left:?}");
}

/// Line by line, so that a stray quotation mark in a comment spoils no more than its line.
fn literals_in_order(source: &str) -> Vec<&str> {
    source.lines().flat_map(literals).collect()
}

/// The tables of `deploy/logs.md` are the lines in the sources, by level.
pub(super) fn lines_are_told() {
    let crates = [
        "analytics",
        "campaigns",
        "clientele",
        "customers",
        "embedded",
        "gateway",
        "identity",
        "messaging",
        "orders",
        "platform",
    ];
    let page = read("deploy/logs.md");
    let mut logged: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (file, source) in sources(&crates) {
        for (level, call) in [("error", "tracing::error!("), ("warn", "tracing::warn!("), ("info", "tracing::info!(")] {
            for (at, _) in source.match_indices(call) {
                let arguments = &source[at + call.len()..];
                let line = message(arguments).unwrap_or_else(|| panic!("{file} logs no text"));
                if let Some(target) = arguments.trim_start().strip_prefix("target: \"").filter(|_| line == "{line}") {
                    // What another program says, in its own words.
                    let target = target.split('"').next().unwrap_or_default();
                    assert!(page.contains(&format!("`{target}`")), "{file} logs others' lines as {target}");
                    continue;
                }
                assert!(!line.starts_with('{'), "{file}: nobody could look `{line}` up");
                logged.entry(level).or_default().insert(line);
            }
        }
    }
    for (level, lines) in logged {
        let (_, told, _) = section(&page, level);
        let cells = told.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        let told: BTreeSet<String> = cells.map(|(text, _)| text.to_owned()).filter(|text| text != "Line").collect();
        let missing: Vec<_> = lines.difference(&told).collect();
        let left: Vec<_> = told.difference(&lines).collect();
        assert!(missing.is_empty() && left.is_empty(), "{level}: not told: {missing:#?}; logged by nobody: {left:#?}");
    }
}

/// The last literal of a macro call whose arguments begin here: fields come before it.
fn message(arguments: &str) -> Option<String> {
    let (mut depth, mut at, mut last) = (1_u32, 0, None);
    while depth > 0 {
        let letter = arguments[at..].chars().next()?;
        match letter {
            '"' => {
                let within = &arguments[at + 1..];
                let end = end_of_literal(within)?;
                last = Some(&within[..end]);
                at += end + 1;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += letter.len_utf8();
    }
    // A literal that goes on in the next line.
    let parts: Vec<&str> = last?.split("\\\n").collect();
    let rest = parts.iter().skip(1).map(|part| part.trim_start());
    Some(parts.first().copied().into_iter().chain(rest).collect())
}
