use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::*;

/// An authority of a test, with a folder for what it certifies.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A new certificate for a host, in the same place each time.
    pub(crate) fn certify(&self, host: &str) -> Files {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = Files {
            certificate: self.folder.path().join(format!("{host}.pem")),
            key: self.folder.path().join(format!("{host}.key")),
        };
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

#[test]
fn a_new_certificate_is_shown_and_a_broken_one_is_not() {
    install_crypto();
    let authority = Authority::new();
    let files = authority.certify("shop");
    let acceptor = Acceptor::read(files.clone(), &[b"h2"]).unwrap();
    let first = acceptor.shown.now().cert.clone();

    authority.certify("shop");
    acceptor.look();
    let second = acceptor.shown.now().cert.clone();
    assert_ne!(first, second);

    fs::write(&files.certificate, "nonsense").unwrap();
    acceptor.look();
    assert_eq!(acceptor.shown.now().cert, second);
}

#[test]
fn what_cannot_be_used_is_named_with_its_file() {
    install_crypto();
    let authority = Authority::new();
    let (shop, other) = (authority.certify("shop"), authority.certify("other"));
    let mixed = Files { key: other.key.clone(), ..shop.clone() };
    let error = Acceptor::read(mixed, &[b"h2"]).unwrap_err().to_string();
    assert!(error.contains("other.key"), "{error}");

    let missing = Files { certificate: PathBuf::from("/nowhere/shop.pem"), ..shop.clone() };
    let error = Acceptor::read(missing, &[b"h2"]).unwrap_err().to_string();
    assert!(error.contains("/nowhere/shop.pem"), "{error}");

    fs::write(&shop.certificate, "").unwrap();
    let error = Trust::read(Some(&shop.certificate)).unwrap_err().to_string();
    assert!(error.contains("shop.pem") && error.contains("has none"), "{error}");
}

#[tokio::test]
async fn those_who_never_finish_keep_out_their_own_address_alone() {
    install_crypto();
    let authority = Authority::new();
    let acceptor = Acceptor::read(authority.certify("shop"), &[b"h2"]).unwrap();
    let trust = Trust::read(Some(&authority.file())).unwrap();
    let agrees = async |from: &str| {
        let (client, server) = tokio::io::duplex(16 * 1024);
        let (agreed, _) = tokio::join!(acceptor.accept(server, from.parse().unwrap()), connect(&trust, "shop", client));
        agreed.map(drop)
    };
    let mut silent = Vec::new();
    for number in 0..HANDSHAKES_OF_ONE {
        let (client, server) = tokio::io::duplex(1024);
        let from: IpAddr = format!("2001:db8:0:1::{number:x}").parse().unwrap();
        let mut accepting = Box::pin(acceptor.accept(server, from));
        assert!(futures::poll!(&mut accepting).is_pending());
        silent.push((client, accepting));
    }
    assert!(agrees("2001:db8:0:1::ffff").await.is_err());
    agrees("2001:db8:0:2::1").await.unwrap();
    agrees("192.0.2.1").await.unwrap();

    drop(silent);
    agrees("2001:db8:0:1::ffff").await.unwrap();
    assert!(acceptor.unfinished.0.lock().unwrap().is_empty());
}

#[test]
fn an_address_is_counted_as_its_network() {
    let cases =
        [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")];
    for (address, counted) in cases {
        assert_eq!(network(address.parse().unwrap()), counted.parse::<IpAddr>().unwrap(), "{address}");
    }
}
