//! Secrets that `up` makes for itself: the master key, kept under the data directory, and the services' credentials,
//! which live as long as the process.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clientele_kernel::{Entropy, Error};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;

/// The master key of this data directory, made when there is none: base64, readable by its owner alone. Whoever loses it
/// loses every past state and private payload in the journal.
pub(crate) fn master_key(folder: &Path, entropy: &dyn Entropy) -> Result<SecretString, Error> {
    let path = folder.join("master_key");
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().to_owned().into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(&path, error)),
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill(key.as_mut());
    let text = SecretString::from(STANDARD.encode(key.as_ref()));
    write_master_key(folder, &text)?;
    Ok(text)
}

/// A copy of a master key, as an operator kept it.
pub(crate) fn read_master_key(path: &Path) -> Result<SecretString, Error> {
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| unusable(path, error))?);
    match STANDARD.decode(text.trim()).map(Zeroizing::new) {
        Ok(key) if key.len() == KEY_BYTES => Ok(text.trim().to_owned().into()),
        _ => Err(Error::invalid(
            "master_key",
            format!("{} holds no master key: {KEY_BYTES} bytes in base64 are wanted", path.display()),
        )),
    }
}

/// Whether a master key is configured, so that none is kept under the data directory.
pub(crate) fn is_configured(secrets: &clientele_platform::config::Secrets) -> bool {
    !secrets.master_key.expose_secret().is_empty()
}

/// Keeps the master key in a data directory.
pub(crate) fn write_master_key(folder: &Path, text: &SecretString) -> Result<(), Error> {
    let path = folder.join("master_key");
    // Written beside and renamed: a key that is there is whole, even after a power cut.
    let draft = folder.join("master_key.draft");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.expose_secret().as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| fs::File::open(folder)?.sync_all());
    written.map_err(|error| unusable(&path, error))
}

/// A credential for the life of the process.
pub(crate) fn credential(entropy: &dyn Entropy) -> SecretString {
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill(secret.as_mut());
    hex::encode(secret.as_ref()).into()
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("cannot use {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use clientele_kernel::SystemEntropy;

    use super::*;

    #[test]
    fn the_master_key_is_made_once_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let first = master_key(folder.path(), &SystemEntropy).unwrap();
        let again = master_key(folder.path(), &SystemEntropy).unwrap();
        assert_eq!(first.expose_secret(), again.expose_secret());
        assert_eq!(STANDARD.decode(first.expose_secret()).unwrap().len(), KEY_BYTES);
        let mode = fs::metadata(folder.path().join("master_key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
