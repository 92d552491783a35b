//! The protection of a conversation with a mail server.

use std::io;
use std::path::Path;
use std::sync::Arc;

use clientele_kernel::Error;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::wire::Stream;

/// How a wire to one server is protected: its name, and whose word for it is taken.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    server: ServerName<'static>,
}

impl Tls {
    /// Protection of the wire to a host that an authority of this file vouches for; without a file one of the system's.
    /// Fails where the file cannot be read or holds no certificate, and where there is no such name of a host.
    pub(super) fn try_new(host: &str, authority: Option<&Path>) -> Result<Self, Error> {
        let server = ServerName::try_from(host.to_owned())
            .map_err(|error| Error::invalid("messaging.smtp_host", format!("`{host}`: {error}")))?;
        let roots = match authority {
            Some(path) => from_file(path)?,
            None => of_the_system(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| {
            Error::invalid("messaging.smtp_tls", format!("a protected conversation cannot be prepared: {error}"))
        })?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { connector: Arc::new(config).into(), server })
    }

    /// Protects a stream. Fails where the other side is not the server it should be.
    pub(super) async fn handshake(&self, stream: Box<dyn Stream>) -> io::Result<TlsStream<Box<dyn Stream>>> {
        self.connector.connect(self.server.clone(), stream).await
    }
}

fn from_file(path: &Path) -> Result<RootCertStore, Error> {
    let wrong = |problem: String| Error::invalid("messaging.smtp_ca_file", format!("`{}`: {problem}", path.display()));
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate: one in PEM is wanted".to_owned()));
    }
    Ok(roots)
}

/// What cannot be read is left out: the handshake says which authority is missing.
fn of_the_system() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!(
            problems = ?found.errors,
            "the system knows no certificate authority: name that of the mail server in messaging.smtp_ca_file"
        );
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_authority_is_refused_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        for path in [&empty, &folder.path().join("missing.pem")] {
            let error = Tls::try_new("mail.example.com", Some(path)).err().unwrap();
            assert_eq!(error.violations[0].field, "messaging.smtp_ca_file");
        }
    }
}
