//! The list of parsers in `tests/README.md`, held to the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How functions that make sense of text from elsewhere are called here.
const NAMES: [&str; 10] =
    ["parse", "parse_", "try_new", "from_str", "decode", "read_rule", "read_token", "unpack", "preferred", "readable"];
/// What such functions are given.
const GIVEN: [&str; 4] = [": &str", ": &[u8]", ": &[String]", "impl Read"];
/// Crates that read nothing from outside.
const APART: [&str; 3] = ["contracts", "testkit", "xtask"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the list: files, each with the words in backquotes of its last column.
fn rows() -> Vec<(String, Vec<String>)> {
    let quoted = |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let list = read(&root().join("tests/README.md"));
    let rows = list.lines().filter(|line| line.starts_with("| `crates/")).map(|line| {
        let cells: Vec<_> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let properties = if cells.len() == 3 { quoted(cells[2]) } else { Vec::new() };
        (quoted(cells[0]).remove(0), properties)
    });
    rows.collect()
}

/// The names of the properties in a text: what stands between `proptest!` and the brace that ends it.
fn properties(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut end = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match end {
            None if line.trim_start().starts_with("proptest! {") => end = Some(indent),
            Some(at) if indent == at && line.trim() == "}" => end = None,
            Some(_) => found.extend(name(line)),
            None => {}
        }
    }
    found
}

/// The name of the function that a line begins.
fn name(line: &str) -> Option<&str> {
    let words = line.trim_start();
    let words = ["pub(super) ", "pub(crate) ", "pub ", "async "]
        .iter()
        .fold(words, |words, word| words.trim_start_matches(word));
    let name = words.strip_prefix("fn ")?;
    Some(&name[..name.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?])
}

/// Where the tests of a file are: in it, or in a file of their own beside it or in the folder of its name.
fn tests_of(file: &Path) -> String {
    let beside = ["tests.rs", "properties.rs"].map(|name| file.with_file_name(name));
    let within = file.with_extension("").join("tests.rs");
    [file.to_owned(), within].iter().chain(&beside).filter(|path| path.is_file()).map(|path| read(path)).collect()
}

#[test]
fn each_property_of_the_list_is_tried_with_any_input() {
    let rows = rows();
    assert!(rows.len() > 60, "the list is not understood");
    let mut wrong = Vec::new();
    for (file, named) in &rows {
        let path = root().join(file);
        if !path.is_file() {
            wrong.push(format!("{file} is no file"));
            continue;
        }
        let tests = tests_of(&path);
        let there = properties(&tests);
        let missing = named.iter().filter(|name| !there.contains(name.as_str()));
        wrong.extend(missing.map(|name| format!("{file} has no property {name}")));
    }
    assert!(wrong.is_empty(), "tests/README.md is out of date:\n{}", wrong.join("\n"));
}

#[test]
fn whatever_reads_text_from_elsewhere_is_on_the_list() {
    let listed: BTreeMap<_, _> = rows().into_iter().collect();
    let mut found = 0;
    let mut missing = BTreeSet::new();
    for file in sources(&root().join("crates")) {
        let text = read(&file);
        // What tests read is of their own making.
        let text = text.split("\n#[cfg(test)]").next().unwrap_or_default();
        let relative = file.strip_prefix(root()).expect("it is within").display().to_string();
        if text.lines().any(is_parser) {
            found += 1;
            if !listed.contains_key(&relative) {
                missing.insert(relative);
            }
        }
    }
    assert!(found > 30, "only {found} files with parsers were found");
    assert!(missing.is_empty(), "these read text and stand in no table of tests/README.md: {missing:#?}");
}

#[test]
fn a_parser_is_known_by_its_name_and_by_what_it_is_given() {
    assert!(is_parser("    pub(crate) fn parse(text: &str) -> Option<Self> {"));
    assert!(is_parser(
        "pub fn decode<T: DeserializeOwned>(token: &str, fingerprint: u64) -> Result<Option<T>, Error> {"
    ));
    assert!(is_parser("pub(crate) fn parse_group_ids(ids: &[String]) -> Result<Vec<GroupId>, Error> {"));
    assert!(!is_parser("    fn parsed(count: u64) -> bool {"));
    assert!(!is_parser("    // fn parse(text: &str)"));
    let text = "proptest! {\n    #[test]\n    fn any(x in 0..3) {\n    }\n}\nfn none() {}\n";
    assert_eq!(properties(text), BTreeSet::from(["any"]));
}

fn is_parser(line: &str) -> bool {
    let named = name(line).is_some_and(|name| {
        NAMES.iter().any(|known| name == *known || (known.ends_with('_') && name.starts_with(known)))
    });
    named && GIVEN.iter().any(|given| line.contains(given))
}

/// The sources of all crates that read something from outside, without their tests.
fn sources(crates: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = std::fs::read_dir(crates)
        .expect("there are crates")
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.is_dir() && !APART.iter().any(|apart| path.ends_with(apart)))
        .map(|path| path.join("src"))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                found.push(path);
            }
        }
    }
    found
}
