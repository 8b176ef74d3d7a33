//! TLS with one library and one set of algorithms: what is trusted, and how a server is called.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// A file cannot be used, or there is nothing to trust; holds no secret.
#[derive(Debug)]
pub struct TlsError(String);

impl TlsError {
    pub(crate) fn at(file: &Path, reason: impl fmt::Display) -> Self {
        Self(format!("{}: {reason}", file.display()))
    }

    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// The algorithms.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All certificates of a PEM file; at least one.
///
/// # Errors
/// [`TlsError`].
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| TlsError::at(file, error))?;
    if found.is_empty() {
        return Err(TlsError::at(file, "holds no certificate"));
    }
    Ok(found)
}

/// The authorities of the file, or those that this system trusts.
///
/// # Errors
/// [`TlsError`]: nothing would be trusted.
pub fn authorities(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    if let Some(file) = file {
        return certificates(file);
    }
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(TlsError::new(
            "this system has no certificates of authorities; name a ca_file",
        ));
    }
    Ok(found.certs)
}

/// A store of these authorities.
///
/// # Errors
/// [`TlsError`]: none of them can be used.
pub fn root_store(authorities: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // A system's store may hold a few of old that nobody reads any more.
    let (added, _) = roots.add_parsable_certificates(authorities);
    if added == 0 {
        return Err(TlsError::new("no certificate of an authority can be used"));
    }
    Ok(roots)
}

/// How a server is called whose certificate one of these has signed.
///
/// # Errors
/// [`TlsError`].
pub fn client(authorities: Vec<CertificateDer<'static>>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::new)?;
    Ok(builder
        .with_root_certificates(root_store(authorities)?)
        .with_no_client_auth())
}
