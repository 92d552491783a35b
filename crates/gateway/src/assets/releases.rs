//! Files of other releases. A page that was loaded before an update asks for files by names that the new release does not
//! have, and one loaded from a replica that is updated already asks the others for names they do not have yet. Each release
//! therefore leaves its files in a folder that all replicas share, and finds there those of the two other releases that
//! started last.

use std::borrow::Cow;
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

/// What a release is made of: the names of its files, and each file.
#[derive(Debug, Clone, Copy)]
struct Content {
    names: fn() -> BTreeSet<String>,
    file: fn(&str) -> Option<Cow<'static, [u8]>>,
}

/// The files of the client that this program was built with.
const OWN: Content = Content {
    names: || Files::iter().map(Cow::into_owned).collect(),
    file: |name| Files::get(name).map(|file| file.data),
};

/// The folder of releases; none where nothing is configured.
#[derive(Debug)]
pub(crate) struct Releases {
    folder: Option<PathBuf>,
    content: Content,
    own: String,
    others: Mutex<Option<(Instant, Vec<PathBuf>)>>,
}

impl Releases {
    pub(crate) fn new(folder: &Path) -> Self {
        Self::of(folder, OWN)
    }

    fn of(folder: &Path, content: Content) -> Self {
        let folder = (!folder.as_os_str().is_empty()).then(|| folder.to_owned());
        Self { folder, content, own: id_of(content), others: Mutex::default() }
    }

    /// Leaves the files of this release in the folder, and removes releases that nobody needs any more. What goes wrong is
    /// logged: the client works without.
    pub(crate) async fn keep(&self, entropy: &dyn Entropy, clock: &dyn Clock) {
        let Some(folder) = self.folder.clone() else { return };
        let mut random = [0; 8];
        entropy.fill(&mut random);
        let (content, own, draft) = (self.content, self.own.clone(), hex::encode(random));
        let now = SystemTime::from(clock.now());
        let kept = tokio::task::spawn_blocking(move || {
            leave(&folder, content, &own, &draft, now)?;
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

/// A name for what a release is made of.
fn id_of(content: Content) -> String {
    let mut hash = Sha256::new();
    for name in (content.names)() {
        if let Some(file) = (content.file)(&name) {
            hash.update(name.as_bytes());
            hash.update(Sha256::digest(&file));
        }
    }
    hex::encode(&hash.finalize()[..8])
}

/// Writes beside and renames, so that a release is there whole or not at all. Of several replicas one is first; the others
/// find it done.
fn leave(folder: &Path, content: Content, own: &str, draft: &str, now: SystemTime) -> io::Result<()> {
    let place = folder.join(own);
    if !place.is_dir() {
        let draft = folder.join(format!(".draft-{draft}"));
        fs::create_dir_all(&draft)?;
        for name in (content.names)() {
            let Some((plain, file)) = name.strip_prefix(ASSETS).zip((content.file)(&name)) else { continue };
            if is_plain(plain) {
                fs::write(draft.join(plain), file)?;
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
    use clientele_kernel::{SystemClock, SystemEntropy};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_name_stays_within_its_folder(name in "[a-zA-Z0-9._/\\\\-]{0,12}|.{0,8}") {
            let place = Path::new("/folder").join(&name);
            let within = place.parent() == Some(Path::new("/folder")) && place.file_name() == Some(name.as_ref());
            prop_assert!(!is_plain(&name) || within, "{name}");
        }
    }

    /// A release of another build, started so many minutes ago, with one file.
    fn other(folder: &Path, id: char, minutes: u64) -> PathBuf {
        let place = folder.join(id.to_string().repeat(16));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(format!("{id}.js")), [id as u8]).unwrap();
        let started = SystemTime::from(SystemClock.now()) - Duration::from_secs(60 * minutes);
        File::open(&place).unwrap().set_times(FileTimes::new().set_modified(started)).unwrap();
        place
    }

    /// A build of a client with a page and one file.
    fn build(file: &'static str) -> Content {
        match file {
            "old" => Content {
                names: || ["assets/old-1.js", "index.html"].map(str::to_owned).into(),
                file: |name| Some(Cow::Owned(format!("old {name}").into_bytes())),
            },
            _ => Content {
                names: || ["assets/new-2.js", "index.html"].map(str::to_owned).into(),
                file: |name| Some(Cow::Owned(format!("new {name}").into_bytes())),
            },
        }
    }

    #[tokio::test]
    async fn after_an_update_a_page_of_before_finds_its_files_and_so_does_one_of_after_at_a_replica_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let before = Releases::of(folder.path(), build("old"));
        before.keep(&SystemEntropy, &SystemClock).await;
        assert_eq!(before.find("assets/new-2.js").await, None);
        // The replica is not updated yet while another already is.
        let after = Releases::of(folder.path(), build("new"));
        after.keep(&SystemEntropy, &SystemClock).await;
        assert_eq!(after.find("assets/old-1.js").await.as_deref(), Some(&b"old assets/old-1.js"[..]));
        let another = Releases::of(folder.path(), build("old"));
        assert_eq!(another.find("assets/new-2.js").await.as_deref(), Some(&b"new assets/new-2.js"[..]));
        // A page of its own is each release's alone.
        assert_eq!(after.find("index.html").await, None);
        assert_ne!(before.own, after.own);
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
        assert!(folder.path().join(id_of(OWN)).is_dir());
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
        assert_eq!(names, [id_of(OWN)]);
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
