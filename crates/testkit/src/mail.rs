//! A mail server that knows nothing of us, as a process of its own, with STARTTLS and AUTH where a test wants them.

use std::path::{Path, PathBuf};

use clientele_embedded::{MailOptions, cache_dir, ensure_mail_server, scratch_dir};
use tempfile::TempDir;

/// The server; it ends when dropped.
#[derive(Debug)]
pub struct MailServer {
    server: clientele_embedded::MailServer,
    authority: Option<PathBuf>,
    // Declared last: the server works in it.
    _folder: TempDir,
}

impl MailServer {
    /// A server on a free port of 127.0.0.1: one that takes every letter.
    pub async fn start() -> Self {
        Self::start_with(false, None).await
    }

    /// The same, demanding STARTTLS under a certificate of its own, or that a user signs in with a password.
    pub async fn start_with(tls: bool, login: Option<(&str, &str)>) -> Self {
        let folder = scratch_dir().expect("a temporary folder can be made");
        let tls = tls.then(|| certificate(folder.path()));
        let authority = tls.as_ref().map(|(certificate, _)| certificate.clone());
        let modules = ensure_mail_server(&cache_dir()).await.expect("the mail server can be fetched");
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let options = MailOptions { data_dir: folder.path().join("server"), modules, tls, login };
        let server = clientele_embedded::MailServer::start(options).await.expect("the mail server starts");
        Self { server, authority, _folder: folder }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The file with the authority of its certificate, where it has one.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// The letters it has taken, as they came; `X-MailFrom` and `X-RcptTo` tell the envelope.
    pub fn letters(&self) -> Vec<String> {
        self.server.letters().expect("the letters can be read")
    }
}

/// A certificate for 127.0.0.1 that is its own authority, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
        .expect("a certificate can be made");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("the certificate can be written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("the key can be written");
    (certificate, key)
}
