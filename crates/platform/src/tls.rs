//! TLS: the one implementation of cryptography behind it, whom is trusted, and what a server shows of itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clientele_kernel::Error;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// How often a server looks whether its certificate was replaced.
const LOOK: Duration = Duration::from_secs(10);
/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How many clients of one address may be agreeing on keys at once; further ones are hung up on. A server has places for
/// several times as many, so that nobody who never finishes keeps all others out.
const HANDSHAKES_OF_ONE: usize = 256;

/// Chooses ring for every TLS connection of the process. To be called first thing in `main`: where several providers
/// are compiled in, rustls refuses to choose by itself. Calling it again changes nothing.
pub fn install_crypto() {
    // An error means that a provider has been installed before, which is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Whose certificates a client believes.
#[derive(Clone, Debug)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The authorities in this PEM file; without one, those of the system. Speaks HTTP/2.
    pub fn read(file: Option<&Path>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = file {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, "a certificate authority", &error))?;
            }
        } else {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// The authorities in this file, or those of the system, each in PEM.
pub(crate) fn authorities(file: Option<&Path>) -> Result<Vec<String>, Error> {
    let found = match file {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let pem = |certificate: CertificateDer<'_>| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate))
    };
    Ok(found.into_iter().map(pem).collect())
}

/// Agrees on keys with a server that must prove to be `host`.
pub(crate) async fn connect<T>(
    trust: &Trust,
    host: &str,
    stream: T,
) -> Result<tokio_rustls::client::TlsStream<T>, String>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(trust.0.clone());
    connector.connect(name, stream).await.map_err(|error| error.to_string())
}

/// Looks whether a server shows a certificate that is trusted; what is wrong otherwise, in rustls' words.
pub async fn greet(trust: &Trust, host: &str, port: u16) -> Result<(), String> {
    let greeting = async {
        let stream = tokio::net::TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        connect(trust, host, stream).await.map(drop)
    };
    tokio::time::timeout(HANDSHAKE, greeting).await.map_err(|_late| "no answer in time")?
}

/// The files in which a server's certificate and key are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate and those that lead to its authority, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// Proves to clients who the server is. The certificate can be replaced while it serves.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
    files: Files,
    unfinished: Unfinished,
}

impl Acceptor {
    /// A server that shows what is in these files, and speaks these protocols (ALPN).
    pub fn read(files: Files, protocols: &[&[u8]]) -> Result<Self, Error> {
        let shown = Arc::new(Shown(RwLock::new(Arc::new(certified(&files)?))));
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(shown.clone());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { config: Arc::new(config), shown, files, unfinished: Unfinished::default() })
    }

    /// Agrees on keys with a client at this address, or gives up on one that takes too long, and on one beyond those of
    /// its address that are at it already.
    pub async fn accept<T>(&self, stream: T, from: IpAddr) -> std::io::Result<tokio_rustls::server::TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let _place = self.unfinished.enter(from).ok_or_else(|| {
            std::io::Error::other(format!("{HANDSHAKES_OF_ONE} clients of its address agree on keys already"))
        })?;
        let acceptor = tokio_rustls::TlsAcceptor::from(self.config.clone());
        tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await?
    }

    /// Looks for a new certificate until stopped. New connections get it; those that stand keep the old one until they
    /// have aged. One that cannot be read is told of, and changes nothing.
    pub async fn refresh(self, stop: CancellationToken) -> Result<(), Error> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK) => self.look(),
            }
        }
    }

    fn look(&self) {
        match certified(&self.files) {
            Ok(found) if found.cert != self.shown.now().cert => {
                *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
                tracing::info!(file = %self.files.certificate.display(), "serving a new certificate");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the certificate cannot be read again; the old one is served"),
        }
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("files", &self.files).finish_non_exhaustive()
    }
}

/// How many clients of each address are agreeing on keys. Cheap to clone.
#[derive(Clone, Debug, Default)]
struct Unfinished(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Unfinished {
    /// A place until dropped; none where the address has as many as it may.
    fn enter(&self, from: IpAddr) -> Option<Place> {
        let from = network(from);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(from).or_default();
        if *count >= HANDSHAKES_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place { unfinished: self.clone(), from })
    }
}

struct Place {
    unfinished: Unfinished,
    from: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.unfinished.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.from);
            }
        }
    }
}

/// Whom an address stands for: of IPv6 one machine has a network of 64 bits to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

/// The certificate that is shown now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    fn now(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

fn certified(files: &Files) -> Result<CertifiedKey, Error> {
    let chain = certificates(&files.certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unusable(&files.key, "a private key", &error))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|error| unusable(&files.key, "the key of the certificate", &error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| unusable(path, "a certificate", &error))?;
    if found.is_empty() {
        return Err(unusable(path, "a certificate", &"the file has none"));
    }
    Ok(found)
}

fn unusable(path: &Path, wanted: &str, why: &dyn std::fmt::Display) -> Error {
    let message = format!("{} cannot be used as {wanted}: {why}", path.display());
    Error::new(clientele_kernel::Code::InvalidArgument, "CONFIGURATION", message)
}

#[cfg(test)]
pub(crate) mod tests;
