//! What is read is written to files at first, parted by a key, so that what belongs together comes together however it was
//! read, and no more than one part is ever in memory.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clientele_kernel::{Error, paging};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How many parts: of a million letters each holds some sixteen thousand.
const PARTS: u64 = 64;

/// Files into which things are written by a key.
#[derive(Debug)]
pub(super) struct Spool {
    parts: Vec<(PathBuf, BufWriter<File>)>,
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    key: String,
    value: T,
}

impl Spool {
    /// Files of this name in a folder.
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, Error> {
        let part = |number: u64| {
            let path = folder.join(format!("{name}-{number:02}.jsonl"));
            let file = File::create(&path).map_err(|error| unusable(&path, error))?;
            Ok((path, BufWriter::new(file)))
        };
        Ok(Self { parts: (0..PARTS).map(part).collect::<Result<_, Error>>()? })
    }

    /// Writes something down.
    pub(super) fn put(&mut self, key: &str, value: &impl Serialize) -> Result<(), Error> {
        let place = usize::try_from(paging::fingerprint(&[key]) % PARTS).map_err(Error::internal)?;
        let (path, file) = &mut self.parts[place];
        let written = serde_json::to_writer(&mut *file, &Line { key: key.to_owned(), value })
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"));
        written.map_err(|error| unusable(path, error))
    }

    /// All that was written; nothing is written any more.
    pub(super) fn close(self) -> Result<Parts, Error> {
        let close = |(path, file): (PathBuf, BufWriter<File>)| match file.into_inner() {
            Ok(_written) => Ok(path),
            Err(error) => Err(unusable(&path, error.into_error())),
        };
        Ok(Parts(self.parts.into_iter().map(close).collect::<Result<_, Error>>()?))
    }
}

/// What was written, part by part.
#[derive(Debug)]
pub(super) struct Parts(Vec<PathBuf>);

impl Parts {
    /// Reads part after part: each with all there is of its keys, in the order it was written.
    pub(super) fn read<T: DeserializeOwned>(&self) -> impl Iterator<Item = Result<Vec<(String, T)>, Error>> {
        self.0.iter().map(|path| {
            let file = File::open(path).map_err(|error| unusable(path, error))?;
            let read = |line: std::io::Result<String>| {
                let line: Line<T> =
                    serde_json::from_str(&line.map_err(|error| unusable(path, error))?).map_err(Error::internal)?;
                Ok((line.key, line.value))
            };
            BufReader::new(file).lines().map(read).collect()
        })
    }
}

pub(super) fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("cannot use {}: {error}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn what_is_written_under_a_key_comes_together_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(folder.path(), "letters").unwrap();
        for round in 0..3 {
            for key in 0..500 {
                spool.put(&key.to_string(), &round).unwrap();
            }
        }
        let mut largest = 0;
        let mut seen = HashMap::new();
        let parts = spool.close().unwrap();
        for part in parts.read::<i32>() {
            let part = part.unwrap();
            largest = largest.max(part.len());
            let mut of: HashMap<String, Vec<i32>> = HashMap::new();
            for (key, value) in part {
                of.entry(key).or_default().push(value);
            }
            for (key, values) in of {
                assert!(seen.insert(key, values).is_none(), "a key in two parts");
            }
        }
        assert_eq!(seen.len(), 500);
        assert!(seen.values().all(|values| *values == [0, 1, 2]));
        assert!(largest < 200, "{largest} of 1500 in one part");
        assert_eq!(parts.read::<i32>().map(|part| part.unwrap().len()).sum::<usize>(), 1_500, "it can be read again");
    }
}
