//! `cargo xtask features`: `tests/features.toml` says which tests show each feature; here it is held to that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clientele_embedded::install;
use serde::Deserialize;

use crate::{command, workspace};

/// What `features` can be told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also demand that the Rust tests named ran and passed, by nextest's report
    #[arg(long, value_name = "JUNIT_XML")]
    pub(crate) ran: Option<PathBuf>,
}

/// The tests of the project, by the names that features.toml may use.
#[derive(Default)]
struct Known {
    rust: BTreeSet<String>,
    web: BTreeSet<String>,
}

/// Checks every name, and reports all that are wrong at once.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let path = workspace::root().join("tests/features.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let features: BTreeMap<String, Vec<String>> =
        toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let known = Known { rust: rust_tests().await?, web: web_tests()? };
    let passed = match &arguments.ran {
        Some(report) => {
            let text = fs::read_to_string(report).with_context(|| format!("cannot read {}", report.display()))?;
            Some(passed(&text))
        }
        None => None,
    };
    let problems = problems(&features, &known, passed.as_ref());
    if problems.is_empty() {
        let tests: usize = features.values().map(Vec::len).sum();
        println!("features: {} shown by {tests} tests", features.len());
        return Ok(());
    }
    for problem in &problems {
        println!("{problem}");
    }
    bail!("{} entries of tests/features.toml do not hold", problems.len())
}

fn problems(features: &BTreeMap<String, Vec<String>>, known: &Known, passed: Option<&BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for (feature, tests) in features {
        if tests.is_empty() {
            found.push(format!("{feature}: names no test"));
        }
        for test in tests {
            if known.web.contains(test) {
                continue;
            }
            if !known.rust.contains(test) {
                found.push(format!("{feature}: there is no test \"{test}\""));
            } else if passed.is_some_and(|passed| !passed.contains(test)) {
                found.push(format!("{feature}: test \"{test}\" did not run, or did not pass"));
            }
        }
    }
    found
}

/// The names by which one test may be called: with its modules, and without.
fn names(path: &str) -> [String; 2] {
    [path.to_owned(), path.rsplit("::").next().unwrap_or(path).to_owned()]
}

/// Every Rust test that is not ignored.
async fn rust_tests() -> anyhow::Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Listing {
        rust_suites: BTreeMap<String, Suite>,
    }
    #[derive(Deserialize)]
    struct Suite {
        testcases: BTreeMap<String, Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        ignored: bool,
    }
    if install::on_path("cargo-nextest").is_some() {
        let mut list = command::cargo(&["nextest", "list", "--workspace", "--locked", "--message-format", "json"]);
        let listing: Listing =
            serde_json::from_str(&command::read(&mut list).await?).context("cannot read nextest's list of tests")?;
        let cases = listing.rust_suites.into_values().flat_map(|suite| suite.testcases);
        return Ok(cases.filter(|(_, case)| !case.ignored).flat_map(|(path, _)| names(&path)).collect());
    }
    let list = |more: &[&str]| {
        let arguments = [
            "test",
            "--quiet",
            "--workspace",
            "--locked",
            "--lib",
            "--bins",
            "--tests",
            "--",
            "--list",
            "--format",
            "terse",
        ];
        command::cargo(&[&arguments, more].concat())
    };
    let lines = |text: &str| {
        text.lines().filter_map(|line| line.strip_suffix(": test").map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    let all = lines(&command::read(&mut list(&[])).await?);
    let ignored = lines(&command::read(&mut list(&["--ignored"])).await?);
    Ok(all.difference(&ignored).flat_map(|path| names(path)).collect())
}

/// Every unit test and browser test of the web client.
fn web_tests() -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = ["src", "e2e"].iter().map(|name| workspace::web().join(name)).collect();
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_web_test(&path) {
                let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                found.extend(titles(&text));
            }
        }
    }
    Ok(found)
}

fn is_web_test(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".test.ts", ".test.tsx", ".test.mjs", ".test.js"].iter().any(|end| name.ends_with(end))
}

/// The titles of `test('…')` and `it('…')`. What is skipped is called by another name (`test.skip`) and is not found.
fn titles(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices('(') {
        let (before, after) = (&text[..place], &text[place + 1..]);
        let word = before.rsplit(|character: char| !(character.is_alphanumeric() || "_.$".contains(character))).next();
        if !matches!(word, Some("test" | "it")) {
            continue;
        }
        let mut characters = after.trim_start().chars();
        let Some(quote @ ('\'' | '"' | '`')) = characters.next() else { continue };
        let mut title = String::new();
        while let Some(character) = characters.next() {
            match character {
                '\\' => title.extend(characters.next()),
                end if end == quote => {
                    found.push(title);
                    break;
                }
                other => title.push(other),
            }
        }
    }
    found
}

/// The names of the tests that a `JUnit` report says passed.
fn passed(report: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for case in report.split("<testcase ").skip(1) {
        let (case, _) = case.split_once("</testcase>").unwrap_or((case, ""));
        let failed = ["<failure", "<error", "<skipped"].iter().any(|mark| case.contains(mark));
        // Names of Rust tests hold nothing that XML would escape.
        let name = case.split_once("name=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
        if let Some(name) = name.filter(|_| !failed) {
            found.extend(names(name));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Known, passed, problems, titles};

    const REPORT: &str = r#"<testsuites><testsuite name="a">
        <testcase name="domain::a_phone_is_kept_as_typed" classname="a" time="0.1"></testcase>
        <testcase name="domain::a_merge_can_be_undone" classname="a"><failure message="no &lt;good&gt;"/></testcase>
        <testcase name="an_import_resumes" classname="a" time="0.1"><system-out>fine</system-out></testcase>
    </testsuite></testsuites>"#;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_tests_that_passed_are_taken_from_a_report() {
        let expected = ["domain::a_phone_is_kept_as_typed", "a_phone_is_kept_as_typed", "an_import_resumes"];
        assert_eq!(passed(REPORT), set(&expected));
    }

    #[test]
    fn titles_of_browser_tests_are_read_in_any_quotes_and_skipped_ones_are_not() {
        let text = r#"
            test('a user\'s wrong password is refused', async () => {});
            it("shows \"as of\"", () => {});
            test(
              `a long title`,
              async (t) => {});
            test.skip('not yet', () => {});
            await submit('the form');
            latest('not a test');
        "#;
        assert_eq!(titles(text), ["a user's wrong password is refused", "shows \"as of\"", "a long title"]);
    }

    #[test]
    fn a_feature_without_a_test_or_with_an_unknown_or_failed_one_is_a_problem() {
        let features = BTreeMap::from([
            ("C-01".to_owned(), vec!["a_phone_is_kept_as_typed".to_owned(), "shows a card".to_owned()]),
            ("C-02".to_owned(), vec!["a_merge_can_be_undone".to_owned()]),
            ("C-03".to_owned(), vec!["nobody_wrote_this".to_owned()]),
            ("C-04".to_owned(), vec![]),
        ]);
        let known =
            Known { rust: set(&["a_phone_is_kept_as_typed", "a_merge_can_be_undone"]), web: set(&["shows a card"]) };
        let expected = [
            "C-02: test \"a_merge_can_be_undone\" did not run, or did not pass",
            "C-03: there is no test \"nobody_wrote_this\"",
            "C-04: names no test",
        ];
        assert_eq!(problems(&features, &known, Some(&passed(REPORT))), expected);
        assert_eq!(problems(&features, &known, None), expected[1..]);
    }
}
