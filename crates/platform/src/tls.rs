//! The one implementation of cryptography behind TLS.

/// Chooses ring for every TLS connection of the process. To be called first thing in `main`: where several providers
/// are compiled in, rustls refuses to choose by itself. Calling it again changes nothing.
pub fn install_crypto() {
    // An error means that a provider has been installed before, which is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
