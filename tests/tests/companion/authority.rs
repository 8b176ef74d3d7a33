//! A certificate authority of a test, and what it has signed, as PEM files.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority, and the folder that its files lie in.
pub(crate) struct Authority<'a> {
    issuer: Issuer<'static, KeyPair>,
    folder: &'a Path,
    /// Its own certificate.
    pub(crate) file: PathBuf,
}

/// A certificate and its key.
pub(crate) struct Signed {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl<'a> Authority<'a> {
    /// A fresh one, which nobody knows.
    pub(crate) fn new(folder: &'a Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Under a name of its own: what has the name of its issuer counts as self-signed, to Envoy's TLS at least.
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{name} authority"));
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let file = folder.join(format!("{name}-ca.pem"));
        fs::write(&file, root.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            folder,
            file,
        }
    }

    /// A certificate for that host; of an earlier one of the same name it takes the place.
    pub(crate) fn sign(&self, name: &str, host: &str) -> Signed {
        let pair = KeyPair::generate().unwrap();
        let signed = CertificateParams::new(vec![host.to_owned()])
            .unwrap()
            .signed_by(&pair, &self.issuer)
            .unwrap();
        let chain = self.folder.join(format!("{name}.pem"));
        let key = self.folder.join(format!("{name}-key.pem"));
        replace(&chain, &signed.pem());
        replace(&key, &pair.serialize_pem());
        Signed { chain, key }
    }
}

/// Whole or not at all, and private.
fn replace(file: &Path, text: &str) {
    let unfinished = file.with_extension("new");
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut made| made.write_all(text.as_bytes()))
        .unwrap();
    fs::rename(unfinished, file).unwrap();
}
