//! The internal listener's certificate: read at the start, and again when its files change. A bad new one leaves the old one in force.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::config::Settings;
use crate::secret;
use crate::tls::{self, TlsError};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A certificate with its key, and perhaps the authorities of client certificates.
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    current: RwLock<Arc<ServerConfig>>,
}

/// When a file was changed, its length and its place: a renewed file differs in one of them.
type Stamp = Vec<Option<(i64, i64, u64, u64)>>;

impl Certificate {
    /// The one that the settings name, if they name one.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(settings: &Settings) -> Result<Option<Arc<Self>>, TlsError> {
        let (Some(chain), Some(key)) = (&settings.tls_cert, &settings.tls_key) else {
            return Ok(None);
        };
        let client_ca = settings.tls_client_ca.clone();
        let current = read(chain, key, client_ca.as_deref())?;
        Ok(Some(Arc::new(Self {
            chain: chain.clone(),
            key: key.clone(),
            client_ca,
            current: RwLock::new(Arc::new(current)),
        })))
    }

    /// For one connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current))
    }

    /// Reads the files again whenever they have changed, until the service ends.
    pub async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut seen = self.stamp();
        while tokio::time::timeout(LOOK, stop.wait_for(|stop| *stop))
            .await
            .is_err()
        {
            // Taken before the files are read: what changes meanwhile is read again.
            let stamp = self.stamp();
            if stamp == seen {
                continue;
            }
            seen = stamp;
            match read(&self.chain, &self.key, self.client_ca.as_deref()) {
                Ok(config) => {
                    let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                    *current = Arc::new(config);
                    drop(current);
                    tracing::info!(file = %self.chain.display(), "the certificate was read again");
                }
                Err(error) => {
                    tracing::error!(%error, "the changed certificate cannot be used; the one of before stays in force");
                }
            }
        }
    }

    fn stamp(&self) -> Stamp {
        let files = [Some(&self.chain), Some(&self.key), self.client_ca.as_ref()];
        let stamp = |file: &PathBuf| {
            let found = fs::metadata(file).ok()?;
            Some((found.mtime(), found.mtime_nsec(), found.len(), found.ino()))
        };
        files.into_iter().flatten().map(stamp).collect()
    }
}

fn read(chain: &Path, key: &Path, client_ca: Option<&Path>) -> Result<ServerConfig, TlsError> {
    let certificates = tls::certificates(chain)?;
    let text = secret::read(key).map_err(TlsError::new)?;
    // The parser's error may repeat what it read.
    let private = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| TlsError::at(key, "holds no private key"))?;
    let builder = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::new)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let roots = Arc::new(tls::root_store(tls::certificates(file)?)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, tls::provider())
                .build()
                .map_err(|error| TlsError::at(file, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(certificates, private)
        .map_err(|error| TlsError::at(chain, error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
