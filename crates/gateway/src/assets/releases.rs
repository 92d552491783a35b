//! Files of other releases. A page that was loaded before an update asks for files by names that the new release does not
//! have, and one loaded from a replica that is updated already asks the others for names they do not have yet. Each release
//! therefore leaves its files in a folder that all replicas share, and finds there those of the two other releases that
//! started last.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use clientele_kernel::{Clock, Entropy};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Files;

/// So many other releases are kept.
const KEPT: usize = 2;
/// The folder is looked at again after this.
const FRESH: Duration = Duration::from_secs(2);
/// What was begun and not finished is taken for left behind after this.
const LEFT_BEHIND: Duration = Duration::from_hours(1);
/// Files of a release all lie in this folder of the client.
const ASSETS: &str = "assets/";
/// No file of a client is longer.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The folder of releases; none where nothing is configured.
#[derive(Debug)]
pub(crate) struct Releases {
    folder: Option<PathBuf>,
    own: String,
    others: Mutex<Option<(Instant, Vec<PathBuf>)>>,
}

impl Releases {
    pub(crate) fn new(folder: &Path) -> Self {
        let folder = (!folder.as_os_str().is_empty()).then(|| folder.to_owned());
        Self { folder, own: own_id(), others: Mutex::default() }
    }

    /// Leaves the files of this release in the folder, and removes releases that nobody needs any more. What goes wrong is
    /// logged: the client works without.
    pub(crate) async fn keep(&self, entropy: &dyn Entropy, clock: &dyn Clock) {
        let Some(folder) = self.folder.clone() else { return };
        let mut random = [0; 8];
        entropy.fill(&mut random);
        let (own, draft, now) = (self.own.clone(), hex::encode(random), SystemTime::from(clock.now()));
        let kept = tokio::task::spawn_blocking(move || {
            leave(&folder, &own, &draft, now)?;
            tidy(&folder, &own, &draft, now)
        });
        match kept.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "`gateway.releases_dir` cannot be used: pages of other releases may lack files");
            }
            Err(error) => tracing::error!(%error, "the files of this release were not kept"),
        }
    }

    /// A file that this release does not have, for instance `assets/index-7f3.js`.
    pub(super) async fn find(&self, path: &str) -> Option<Vec<u8>> {
        let name = path.strip_prefix(ASSETS).filter(|name| is_plain(name))?.to_owned();
        let others = self.others().await?;
        tokio::task::spawn_blocking(move || others.iter().find_map(|release| read(&release.join(&name)))).await.ok()?
    }

    async fn others(&self) -> Option<Vec<PathBuf>> {
        let folder = self.folder.clone()?;
        let known = self.others.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, others)) = known
            && at.elapsed() < FRESH
        {
            return Some(others);
        }
        let own = self.own.clone();
        let listed = tokio::task::spawn_blocking(move || releases(&folder, &own)).await.ok()?;
        let others: Vec<_> = listed.unwrap_or_default().into_iter().take(KEPT).collect();
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), others.clone()));
        Some(others)
    }
}

/// A name for what this release is made of.
fn own_id() -> String {
    let names: BTreeSet<_> = Files::iter().collect();
    let mut hash = Sha256::new();
    for name in names {
        if let Some(file) = Files::get(&name) {
            hash.update(name.as_bytes());
            hash.update(file.metadata.sha256_hash());
        }
    }
    hex::encode(&hash.finalize()[..8])
}

/// Writes beside and renames, so that a release is there whole or not at all. Of several replicas one is first; the others
/// find it done.
fn leave(folder: &Path, own: &str, draft: &str, now: SystemTime) -> io::Result<()> {
    let place = folder.join(own);
    if !place.is_dir() {
        let draft = folder.join(format!(".draft-{draft}"));
        fs::create_dir_all(&draft)?;
        for name in Files::iter() {
            let Some((plain, file)) = name.strip_prefix(ASSETS).zip(Files::get(&name)) else { continue };
            if is_plain(plain) {
                fs::write(draft.join(plain), file.data)?;
            }
        }
        let renamed = fs::rename(&draft, &place);
        if renamed.is_err() {
            fs::remove_dir_all(&draft)?;
            if !place.is_dir() {
                return renamed;
            }
        }
    }
    File::open(&place)?.set_times(FileTimes::new().set_modified(now))
}

/// Removes what nobody needs: renamed first, so that no replica serves from half a release.
fn tidy(folder: &Path, own: &str, draft: &str, now: SystemTime) -> io::Result<()> {
    for (index, old) in releases(folder, own)?.into_iter().skip(KEPT).enumerate() {
        let gone = folder.join(format!(".gone-{draft}-{index}"));
        // Another replica may have been quicker.
        if fs::rename(&old, &gone).is_ok() {
            fs::remove_dir_all(&gone)?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let unfinished = name.to_str().is_some_and(|name| name.starts_with(".draft-") || name.starts_with(".gone-"));
        let modified = entry.metadata().and_then(|data| data.modified()).unwrap_or(now);
        if unfinished && now.duration_since(modified).is_ok_and(|age| age > LEFT_BEHIND) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// The releases other than our own, the one that started last first.
fn releases(folder: &Path, own: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_release =
            name.to_str().is_some_and(|n| n.len() == own.len() && n != own && n.bytes().all(|b| b.is_ascii_hexdigit()));
        // Another replica may be removing it at this moment.
        let started = entry.metadata().ok().filter(fs::Metadata::is_dir).and_then(|data| data.modified().ok());
        if let Some(started) = started.filter(|_| is_release) {
            found.push((started, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

fn read(path: &Path) -> Option<Vec<u8>> {
    // A link could lead anywhere.
    let data = fs::symlink_metadata(path).ok().filter(|data| data.is_file() && data.len() <= LONGEST)?;
    (data.len() > 0).then(|| fs::read(path).ok())?
}

/// Whether it is the name of a file and no way to one.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clientele_kernel::{SystemClock, SystemEntropy};

    /// A release of another build, started so many minutes ago, with one file.
    fn other(folder: &Path, id: char, minutes: u64) -> PathBuf {
        let place = folder.join(id.to_string().repeat(16));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(format!("{id}.js")), [id as u8]).unwrap();
        let started = SystemTime::from(SystemClock.now()) - Duration::from_secs(60 * minutes);
        File::open(&place).unwrap().set_times(FileTimes::new().set_modified(started)).unwrap();
        place
    }

    #[tokio::test]
    async fn the_two_releases_that_started_last_are_found_and_older_ones_removed() {
        let folder = tempfile::tempdir().unwrap();
        let oldest = other(folder.path(), 'a', 30);
        other(folder.path(), 'b', 20);
        other(folder.path(), 'c', 10);
        fs::create_dir(folder.path().join("unrelated")).unwrap();
        let releases = Releases::new(folder.path());
        releases.keep(&SystemEntropy, &SystemClock).await;
        assert!(!oldest.exists() && folder.path().join("unrelated").exists());
        assert!(folder.path().join(own_id()).is_dir());
        assert_eq!(releases.find("assets/b.js").await.as_deref(), Some(&b"b"[..]));
        assert_eq!(releases.find("assets/c.js").await.as_deref(), Some(&b"c"[..]));
        assert_eq!(releases.find("assets/a.js").await, None);
    }

    #[tokio::test]
    async fn replicas_that_share_the_folder_do_not_clash() {
        let folder = tempfile::tempdir().unwrap();
        let replicas: Vec<_> = (0..8).map(|_| Releases::new(folder.path())).collect();
        futures::future::join_all(replicas.iter().map(|replica| replica.keep(&SystemEntropy, &SystemClock))).await;
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, [own_id()]);
    }

    #[tokio::test]
    async fn no_path_leads_out_of_a_release() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        let release = other(folder.path(), 'a', 1);
        std::os::unix::fs::symlink(folder.path().join("secret"), release.join("link.js")).unwrap();
        fs::write(release.join(".hidden"), "x").unwrap();
        let releases = Releases::new(folder.path());
        assert!(releases.find("assets/a.js").await.is_some());
        for path in [
            "assets/../secret",
            "assets/..",
            "assets/link.js",
            "assets/.hidden",
            "assets//secret",
            "secret",
            "assets/",
            "assets/a\\b",
            "assets/a.js/../../secret",
        ] {
            assert_eq!(releases.find(path).await, None, "{path}");
        }
    }

    #[tokio::test]
    async fn without_a_folder_or_with_one_that_cannot_be_used_there_is_nothing_to_find() {
        for folder in ["", "/proc/nowhere"] {
            let releases = Releases::new(Path::new(folder));
            releases.keep(&SystemEntropy, &SystemClock).await;
            assert_eq!(releases.find("assets/a.js").await, None);
        }
    }
}
