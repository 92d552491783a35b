//! Disks of a size of their own for PostgreSQL and NATS, so that they can be full: file systems in memory, where this
//! machine lets us mount them.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clientele_embedded::scratch_dir;
use tempfile::TempDir;

/// Room for what some hundred rounds write, with PostgreSQL's log kept short.
const MEGABYTES: usize = 1_500;
const BALLAST: &str = "ballast";

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Disk {
    Postgres,
    Nats,
}

impl Disk {
    const ALL: [Self; 2] = [Self::Postgres, Self::Nats];

    fn folder(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Nats => "nats",
        }
    }
}

/// The disks, which go when this is dropped.
#[derive(Debug)]
pub(crate) struct Disks {
    /// Whether they have an end that can be come to.
    pub(crate) small: bool,
    folder: TempDir,
}

impl Disks {
    pub(crate) fn new() -> Self {
        let folder = scratch_dir().expect("the temporary folder is writable");
        let mut disks = Self { small: true, folder };
        for disk in Disk::ALL {
            let path = disks.path(disk);
            std::fs::create_dir(&path).expect("a folder of ours is writable");
            disks.small &=
                done("mount", &["-t", "tmpfs", "-o", &format!("size={MEGABYTES}m,mode=0711"), "clientele"], &path);
        }
        disks
    }

    pub(crate) fn path(&self, disk: Disk) -> PathBuf {
        self.folder.path().join(disk.folder())
    }

    /// Leaves no room on a disk.
    pub(crate) fn fill(&self, disk: Disk) {
        if !self.small {
            return;
        }
        let ballast = vec![b'x'; 1 << 20];
        let Ok(mut file) = File::create(self.path(disk).join(BALLAST)) else { return };
        while file.write_all(&ballast).is_ok() {}
    }

    /// Gives the room back.
    pub(crate) fn free(&self, disk: Disk) {
        let _ = std::fs::remove_file(self.path(disk).join(BALLAST));
    }

    pub(crate) fn free_all(&self) {
        for disk in Disk::ALL {
            self.free(disk);
        }
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for disk in Disk::ALL {
            let path = self.path(disk);
            // Whoever still ends in there keeps it alive a little longer, and nobody finds it any more.
            done("umount", &["--lazy"], &path);
        }
    }
}

fn done(program: &str, arguments: &[&str], path: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
