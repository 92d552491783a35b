//! How far an import has come, so that one that was killed goes on where it was. A batch is noted once the server has
//! acknowledged it; one that was acknowledged but not noted is sent again under the same key, and changes nothing.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clientele_kernel::Error;
use serde::{Deserialize, Serialize};

use super::stage::unusable;

/// What became of the entries of a batch.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) refused: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.refused += other.refused;
    }
}

/// One acknowledged batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Done {
    batch: String,
    tally: Tally,
    /// Ids that came of it, by the number in the source.
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    ids: HashMap<String, String>,
}

/// The progress of one import, in a file of its own.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    file: File,
    path: PathBuf,
    done: HashMap<String, Tally>,
    ids: HashMap<String, String>,
    run: String,
}

#[derive(Serialize, Deserialize)]
struct Run {
    run: String,
}

impl Checkpoint {
    /// Opens the progress kept in `folder`, or begins with `run` as the name under which the server knows the batches.
    pub(crate) fn open(folder: &Path, run: String) -> Result<Self, Error> {
        let path = folder.join("progress.jsonl");
        let mut done = HashMap::new();
        let mut ids = HashMap::new();
        let mut known_run = None;
        let mut whole = 0;
        if let Ok(file) = File::open(&path) {
            let mut reader = BufReader::new(file);
            let mut line = String::new();
            // A line cut short by a kill is the last one; what it would have noted is sent again.
            while reader.read_line(&mut line).map_err(|e| unusable(&path, e))? > 0 && line.ends_with('\n') {
                whole += line.len() as u64;
                if known_run.is_none() {
                    known_run = Some(serde_json::from_str::<Run>(&line).map_err(Error::internal)?.run);
                } else {
                    let entry: Done = serde_json::from_str(&line).map_err(Error::internal)?;
                    ids.extend(entry.ids);
                    done.insert(entry.batch, entry.tally);
                }
                line.clear();
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| unusable(&path, e))?;
        file.set_len(whole).map_err(|e| unusable(&path, e))?;
        let begins = known_run.is_none();
        let mut checkpoint = Self { file, path, done, ids, run: known_run.unwrap_or(run) };
        if begins {
            let first = Run { run: checkpoint.run.clone() };
            checkpoint.append(&first)?;
        }
        Ok(checkpoint)
    }

    /// What became of a batch in an earlier run; `None` when it is still to be sent.
    pub(crate) fn done(&self, batch: &str) -> Option<Tally> {
        self.done.get(batch).copied()
    }

    /// True when some of the work was done by an earlier run.
    pub(crate) fn resumed(&self) -> bool {
        !self.done.is_empty()
    }

    /// Forgets all progress and begins anew, with `run` as the name under which the server knows the batches.
    pub(crate) fn restart(&mut self, run: String) -> Result<(), Error> {
        self.file.set_len(0).map_err(|e| unusable(&self.path, e))?;
        self.done.clear();
        self.ids.clear();
        self.run = run;
        let first = Run { run: self.run.clone() };
        self.append(&first)
    }

    /// The key under which the server knows a batch.
    pub(crate) fn key(&self, batch: &str) -> String {
        key(&self.run, batch)
    }

    /// Notes an acknowledged batch.
    pub(crate) fn note(&mut self, batch: &str, tally: Tally, ids: HashMap<String, String>) -> Result<(), Error> {
        let entry = Done { batch: batch.to_owned(), tally, ids };
        self.append(&entry)?;
        self.ids.extend(entry.ids);
        self.done.insert(entry.batch, tally);
        Ok(())
    }

    /// The id that came of a number in the source.
    pub(crate) fn id(&self, number: &str) -> Option<String> {
        self.ids.get(number).cloned()
    }

    /// True when none of these ids is another than the one noted, as where another database has taken the place.
    pub(crate) fn agrees<'a>(&self, ids: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
        ids.into_iter().all(|(number, id)| self.ids.get(number).is_none_or(|noted| noted == id))
    }

    fn append(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let mut line = serde_json::to_vec(value).map_err(Error::internal)?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|e| unusable(&self.path, e))
    }
}

/// The key under which the server knows a batch of a run.
pub(crate) fn key(run: &str, batch: &str) -> String {
    format!("{run}/{batch}")
}

/// Clears away what an import kept once it is done.
pub(crate) fn clear(folder: &Path) -> Result<(), Error> {
    fs::remove_dir_all(folder).map_err(|e| unusable(folder, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_again_and_a_line_cut_short_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut checkpoint = Checkpoint::open(folder.path(), "run-1".into()).unwrap();
        let ids = HashMap::from([("17850".to_owned(), "an id".to_owned())]);
        checkpoint.note("customers-0", Tally { created: 1, ..Tally::default() }, ids).unwrap();
        checkpoint.file.write_all(b"{\"batch\":\"custom").unwrap();
        drop(checkpoint);

        let mut again = Checkpoint::open(folder.path(), "run-2".into()).unwrap();
        assert_eq!(again.key("x"), "run-1/x");
        assert_eq!(again.done("customers-0").unwrap().created, 1);
        assert_eq!(again.id("17850").unwrap(), "an id");
        assert!(again.done("customers-1").is_none() && again.resumed());
        again.note("customers-1", Tally::default(), HashMap::new()).unwrap();
        drop(again);
        assert!(Checkpoint::open(folder.path(), "run-3".into()).unwrap().done("customers-1").is_some());
    }

    #[test]
    fn ids_that_differ_from_those_noted_do_not_agree() {
        let folder = tempfile::tempdir().unwrap();
        let mut checkpoint = Checkpoint::open(folder.path(), "run-1".into()).unwrap();
        let ids = HashMap::from([("7".to_owned(), "a".to_owned()), ("8".to_owned(), "b".to_owned())]);
        checkpoint.note("customers-0", Tally::default(), ids).unwrap();
        assert!(checkpoint.agrees([("7", "a"), ("8", "b")]));
        assert!(checkpoint.agrees([("9", "was refused by the earlier run")]));
        assert!(!checkpoint.agrees([("7", "a"), ("8", "another")]));
        assert!(!checkpoint.agrees([("8", "")]), "what is refused now is not there");
    }

    #[test]
    fn begun_anew_nothing_of_the_earlier_run_is_left_in_the_file_either() {
        let folder = tempfile::tempdir().unwrap();
        let mut checkpoint = Checkpoint::open(folder.path(), "run-1".into()).unwrap();
        let ids = HashMap::from([("7".to_owned(), "a".to_owned())]);
        checkpoint.note("customers-0", Tally::default(), ids).unwrap();
        checkpoint.restart("run-2".into()).unwrap();
        checkpoint.note("products-0", Tally::default(), HashMap::new()).unwrap();
        for checkpoint in [checkpoint, Checkpoint::open(folder.path(), "run-3".into()).unwrap()] {
            assert_eq!(checkpoint.key("x"), "run-2/x");
            assert!(checkpoint.done("customers-0").is_none() && checkpoint.id("7").is_none());
            assert!(checkpoint.done("products-0").is_some());
        }
    }
}
