//! What `/metrics` says, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a sample.
pub(super) type Labels = BTreeMap<String, String>;

/// A family of samples, as its `# HELP` and `# TYPE` tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Family {
    pub(super) help: String,
    pub(super) kind: String,
    /// Of all its samples; without `le`.
    pub(super) labels: BTreeSet<String>,
}

/// Everything that was seen, over all programs and for as long as was looked.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) families: BTreeMap<String, Family>,
    /// By the name of the sample: of a histogram there are three.
    pub(super) samples: BTreeMap<String, BTreeSet<Labels>>,
}

impl Seen {
    /// Adds what one program shows. `job` and `instance` are put to it as Prometheus does.
    pub(super) fn add(&mut self, job: &str, text: &str) {
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help has a text");
                help.clone_into(&mut self.families.entry(name.to_owned()).or_default().help);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type has a name");
                kind.clone_into(&mut self.families.entry(name.to_owned()).or_default().kind);
            } else if !line.is_empty() {
                self.sample(job, line);
            }
        }
    }

    fn sample(&mut self, job: &str, line: &str) {
        let (series, _value) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("labels end with a brace")),
            None => (series, ""),
        };
        let mut labels = parse(labels);
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end).filter(|family| self.families.contains_key(*family)))
            .unwrap_or(name);
        let family = self.families.get_mut(family).unwrap_or_else(|| panic!("{name} is not announced"));
        family.labels.extend(labels.keys().filter(|label| *label != "le").cloned());
        labels.insert("job".to_owned(), job.to_owned());
        labels.insert("instance".to_owned(), "10.0.0.1:9090".to_owned());
        self.samples.entry(name.to_owned()).or_default().insert(labels);
    }

    /// A series that Prometheus makes by itself, or a rule.
    pub(super) fn known(&mut self, name: &str, labels: Labels) {
        self.samples.entry(name.to_owned()).or_default().insert(labels);
    }
}

/// `name="value",…`, with the three escapes that there are.
fn parse(text: &str) -> Labels {
    let mut labels = Labels::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next().expect("a value ends with a quotation mark") {
                (_, '\\') => match letters.next().expect("an escape has a letter").1 {
                    'n' => value.push('\n'),
                    letter => value.push(letter),
                },
                (at, '"') => break at,
                (_, letter) => value.push(letter),
            }
        };
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = &after[end + 1..];
    }
    labels
}
