//! TLS to the internal listener. Whoever asks with the companion's own configuration knows its certificate: that one, and no other, is
//! taken. From elsewhere an authority is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use companion::config::Settings;
use companion::{secret, tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme,
};

/// How the listener is known, and how this program shows who it is.
#[derive(clap::Args)]
#[expect(clippy::struct_field_names, reason = "the names of the arguments")]
pub(crate) struct TlsArguments {
    /// The authorities that may have signed the internal listener's certificate, as PEM. Without it the certificate must be the
    /// one that the configuration names.
    #[arg(long, global = true)]
    admin_ca_file: Option<PathBuf>,
    /// The certificate that this program shows, where the listener demands one (`tls_client_ca`), as PEM.
    #[arg(long, global = true, requires = "admin_key_file")]
    admin_cert_file: Option<PathBuf>,
    /// Its key, as PEM.
    #[arg(long, global = true, requires = "admin_cert_file")]
    admin_key_file: Option<PathBuf>,
}

/// `None`: the listener speaks plain HTTP.
pub(super) fn config(
    settings: &Settings,
    arguments: &TlsArguments,
) -> Result<Option<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match (&arguments.admin_ca_file, &settings.tls_cert) {
        (Some(file), _) => {
            let roots = tls::certificates(file).and_then(tls::root_store);
            builder.with_root_certificates(roots.map_err(|error| error.to_string())?)
        }
        (None, Some(file)) => {
            let pinned = Pinned::of(file)?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(pinned))
        }
        (None, None) => return Ok(None),
    };
    with_own_certificate(builder, arguments).map(Some)
}

fn with_own_certificate(
    builder: ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
    arguments: &TlsArguments,
) -> Result<ClientConfig, String> {
    let (Some(chain), Some(key)) = (&arguments.admin_cert_file, &arguments.admin_key_file) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = tls::certificates(chain).map_err(|error| error.to_string())?;
    let text = secret::read(key).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| format!("{}: holds no key", key.display()))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| error.to_string())
}

/// Takes one certificate, whatever it says of itself: the key behind it is what counts.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn of(file: &Path) -> Result<Self, String> {
        let chain = tls::certificates(file).map_err(|error| error.to_string())?;
        let certificate = chain.into_iter().next();
        Ok(Self {
            certificate: certificate
                .ok_or_else(|| format!("{}: holds no certificate", file.display()))?,
            provider: tls::provider(),
        })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
