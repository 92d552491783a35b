//! What can be seen on this machine: files with secrets, the data directory, ports, the disk, programs.

use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clientele_embedded::{PostgresOptions, Running, find_postgres};
use clientele_platform::tls::Acceptor;
use tokio::net::TcpListener;

use super::{Report, causes};
use crate::configuration::Everything;
use crate::up;

/// With less than this, PostgreSQL is about to stop.
const LEAST_FREE: u64 = 2 * 1024 * 1024 * 1024;

/// Files named in the configuration, of which some hold secrets.
pub(super) fn files(report: &mut Report, configuration: &Everything) {
    let Everything { server, database, bus, secrets, messaging, .. } = configuration;
    let secret_files = [
        ("server.tls_key_file", server.tls_key_file.clone()),
        ("database.url_file", database.url_file.clone()),
        ("database.migration_url_file", database.migration_url_file.clone()),
        ("bus.password_file", bus.password_file.clone()),
        ("bus.token_file", bus.token_file.clone()),
        ("bus.credentials_file", bus.credentials_file.clone()),
        ("secrets.master_key_file", secrets.master_key_file.clone()),
        ("secrets.service_secret_file", secrets.service_secret_file.clone()),
        ("messaging.smtp_password_file", Some(messaging.smtp_password_file.clone())),
    ];
    for (key, path) in secret_files {
        if let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) {
            secret_file(report, key, &path);
        }
    }
}

/// What a server shows of itself over TLS.
pub(super) fn certificate(report: &mut Report, configuration: &Everything) {
    let files = configuration.server.tls().map_err(|error| causes(&error));
    let read = files.and_then(|files| {
        let Some(files) = files else { return Ok(None) };
        Acceptor::read(files.clone(), &[]).map_err(|error| causes(&error))?;
        Ok(Some(files))
    });
    match read {
        Ok(None) => {}
        Ok(Some(files)) => report.fine(format!("{} and its key belong together", files.certificate.display())),
        Err(error) => report.find(
            "certificate",
            error,
            "a program that cannot prove who it is does not start",
            "give `server.tls_certificate_file` and `server.tls_key_file` a certificate and its key, both in PEM",
        ),
    }
}

fn secret_file(report: &mut Report, key: &str, path: &Path) {
    // That it is there does not mean that it can be read: it may be another user's, or a folder.
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut [0])).and_then(|_| std::fs::metadata(path));
    match read {
        Ok(metadata) if metadata.permissions().mode() & 0o007 != 0 => report.find(
            "secret_file_open",
            format!("`{key}` names {}, which every user of this machine can read", path.display()),
            "whoever reads it can do what only Clientele may",
            format!("take the right away: chmod o-rwx {}", path.display()),
        ),
        Ok(_) => report.fine(format!("`{key}` is closed to others")),
        Err(error) => report.find(
            "file_unreadable",
            format!("`{key}` names {}, which cannot be read: {error}", path.display()),
            "the program that needs it does not start",
            "name a file that is there and that this user may read",
        ),
    }
}

/// Whether the address can be listened on.
pub(super) async fn port(report: &mut Report, address: SocketAddr) {
    match TcpListener::bind(address).await {
        Ok(_) => report.fine(format!("{address} is free to listen on")),
        Err(error) => report.find(
            "port",
            format!("`server.listen` is {address}, where nobody can listen: {error}"),
            "the program does not start where it cannot listen; it is no fault if it runs already",
            "stop who listens there, or set `server.listen` to another address",
        ),
    }
}

/// A house in one process.
pub(super) async fn house(report: &mut Report, configuration: &Everything, data_dir: Option<PathBuf>) {
    let data_dir = match data_dir.map_or_else(up::default_data_dir, Ok) {
        Ok(data_dir) => data_dir,
        Err(error) => {
            return report.find(
                "data_dir",
                error.message,
                "there is nowhere to keep anything",
                "choose a folder with --data-dir",
            );
        }
    };
    let runs = Running::find(&data_dir.join("postgres")).ok().flatten().is_some();
    if runs {
        report.fine(format!("a house runs on {}", data_dir.display()));
    } else {
        port(report, configuration.server.listen).await;
    }
    if folder(report, &data_dir) {
        disk(report, &data_dir);
    }
    master_key(report, &data_dir, configuration);
    match find_postgres() {
        Ok(programs) => report.fine(format!("PostgreSQL {} is in {}", programs.version, programs.folder.display())),
        Err(error) => report.find(
            "postgres_programs",
            error.to_string(),
            "a house in one process runs a PostgreSQL of its own",
            "install PostgreSQL 14 or newer, or name the folder of its programs in CLIENTELE_POSTGRES_BIN",
        ),
    }
    let options = PostgresOptions::new(data_dir.join("postgres"));
    if let Err(error) = options.check_folder() {
        report.find(
            "cluster",
            error.to_string(),
            "the private PostgreSQL does not start on this data directory",
            "do as is said there, or choose another data directory",
        );
    }
}

fn folder(report: &mut Report, data_dir: &Path) -> bool {
    let there = data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let probe = tempfile::Builder::new().prefix(".clientele-doctor").tempfile_in(there);
    match &probe {
        Ok(_) => report.fine(format!("{} can be written to", there.display())),
        Err(error) => report.find(
            "data_dir",
            format!(
                "the data directory is {}, and {} cannot be written to: {error}",
                data_dir.display(),
                there.display()
            ),
            "everything is kept there",
            "choose another with --data-dir, or give this user the right to write there",
        ),
    }
    probe.is_ok()
}

fn disk(report: &mut Report, data_dir: &Path) {
    let there = data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    match nix::sys::statvfs::statvfs(there) {
        Ok(found) => {
            #[expect(clippy::useless_conversion, reason = "these are narrower on other systems")]
            let free = u64::from(found.blocks_available()) * u64::from(found.fragment_size());
            room(report, free, there);
        }
        Err(error) => tracing::debug!(%error, "free space is not told"),
    }
}

fn room(report: &mut Report, free: u64, folder: &Path) {
    let told = format!("{}.{} GiB are free at {}", free >> 30, (((free >> 20) & 1023) * 10) >> 10, folder.display());
    if free < LEAST_FREE {
        report.find(
            "disk",
            told,
            "PostgreSQL stops when the disk is full",
            "make room, or choose a data directory elsewhere",
        );
    } else {
        report.fine(told);
    }
}

fn master_key(report: &mut Report, data_dir: &Path, configuration: &Everything) {
    let path = data_dir.join("master_key");
    let has_data = data_dir.join("postgres/cluster/PG_VERSION").exists();
    if crate::secrets::is_configured(&configuration.secrets) {
        return report.fine("the master key is in the configuration");
    }
    if path.exists() {
        secret_file(report, "master_key", &path);
        if let Err(error) = crate::secrets::read_master_key(&path) {
            report.find(
                "master_key",
                causes(&error),
                "without the key nothing that is sealed can be read",
                "put the copy back that was kept apart",
            );
        }
    } else if has_data {
        report.find(
            "master_key",
            format!("{} is missing, and there are data in {}", path.display(), data_dir.display()),
            "without the key nothing that is sealed can be read: past states, private payloads, secrets of the services",
            "put the copy back that was kept apart, or set `secrets.master_key`",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_less_than_two_gibibytes_free_is_found() {
        let told = |free| {
            let mut report = Report::default();
            room(&mut report, free, Path::new("/data"));
            report
        };
        let short = told(LEAST_FREE - 1);
        assert_eq!((short.fine.len(), short.findings.len()), (0, 1));
        assert_eq!((short.findings[0].id, short.findings[0].what.as_str()), ("disk", "1.9 GiB are free at /data"));
        assert_eq!(told(LEAST_FREE).fine, ["2.0 GiB are free at /data"]);
        assert_eq!(told((5 << 30) + (1 << 29)).fine, ["5.5 GiB are free at /data"]);
    }
}
