//! The internal listener with TLS: who is let in, and how a renewed certificate comes into force.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tests::companion::Companion;
use tests::watch::wait_for;

use crate::authority::{Authority, Signed};

/// The files are looked at every two seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The head of the answer to a GET, over TLS that trusts that authority.
fn get(companion: &Companion, path: &str, ca: &Path, own: Option<&Signed>) -> io::Result<String> {
    let roots = companion::tls::certificates(ca).unwrap();
    let roots = companion::tls::root_store(roots).unwrap();
    let builder = ClientConfig::builder_with_provider(companion::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = CertificateDer::pem_file_iter(&own.chain).unwrap();
            let key = PrivateKeyDer::from_pem_file(&own.key).unwrap();
            builder
                .with_client_auth_cert(chain.map(Result::unwrap).collect(), key)
                .unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let stream = TcpStream::connect(("127.0.0.1", companion.internal_port()))?;
    let mut stream = StreamOwned::new(connection, stream);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: companion\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    // Some close without a last word of TLS.
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn start(certificate: &Signed, client_ca: Option<&Path>) -> Companion {
    Companion::with(|settings| {
        settings.tls_cert = Some(certificate.chain.clone());
        settings.tls_key = Some(certificate.key.clone());
        settings.tls_client_ca = client_ca.map(ToOwned::to_owned);
    })
    .unwrap()
}

/// CF-05: it answers over TLS and in no other way, and tokens are demanded as ever; the public listener is what it was.
#[test]
fn the_internal_listener_with_a_certificate_speaks_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let strange = Authority::new(folder.path(), "strange");
    let companion = start(&ours.sign("server", "localhost"), None);
    let answer = get(&companion, "/readyz", &ours.file, None).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = get(&companion, "/gateway/v1/keys", &ours.file, None).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    get(&companion, "/readyz", &strange.file, None).unwrap_err();
    companion
        .internal()
        .unwrap()
        .get("/readyz")
        .send()
        .unwrap_err();
    // Whoever says nothing holds up nobody.
    let _silent = TcpStream::connect(("127.0.0.1", companion.internal_port())).unwrap();
    let answer = get(&companion, "/healthz", &ours.file, None).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    companion.account("alice").unwrap();
}

/// CF-05: with authorities of client certificates, who has none of theirs is refused before a request is read.
#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_demanded() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let gateways = Authority::new(folder.path(), "gateways");
    let strange = Authority::new(folder.path(), "strange");
    let companion = start(&ours.sign("server", "localhost"), Some(&gateways.file));
    let ask = |own: Option<&Signed>| get(&companion, "/readyz", &ours.file, own);
    ask(None).unwrap_err();
    ask(Some(&strange.sign("other", "gateway"))).unwrap_err();
    ask(Some(&ours.sign("another", "gateway"))).unwrap_err();
    let answer = ask(Some(&gateways.sign("gateway", "gateway"))).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// A renewed certificate is in force within seconds, without a restart; one that cannot be used changes nothing.
#[test]
fn a_renewed_certificate_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = Authority::new(folder.path(), "first");
    let second = Authority::new(folder.path(), "second");
    let certificate = first.sign("server", "localhost");
    let companion = start(&certificate, None);
    let answers = |ca: &Path| get(&companion, "/readyz", ca, None).is_ok();
    assert!(answers(&first.file) && !answers(&second.file));
    second.sign("server", "localhost");
    wait_for("the renewed certificate", PATIENCE, || {
        Ok(answers(&second.file).then_some(()))
    })
    .unwrap();
    assert!(!answers(&first.file));

    fs::write(&certificate.chain, "no certificate").unwrap();
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(answers(&second.file));
    first.sign("server", "localhost");
    wait_for("the next certificate", PATIENCE, || {
        Ok(answers(&first.file).then_some(()))
    })
    .unwrap();
}

/// ST-02, ST-03: a key that others can read, another's key, no key: refused, and never shown.
#[test]
fn a_key_that_does_not_fit_or_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let certificate = ours.sign("server", "localhost");
    let other = ours.sign("other", "localhost");
    let mut companion = Companion::stopped().unwrap();
    companion.change(|settings| {
        settings.tls_cert = Some(certificate.chain.clone());
        settings.tls_key = Some(certificate.key.clone());
    });
    let refusal = |companion: &mut Companion| companion.resume().unwrap_err().to_string();
    fs::set_permissions(&certificate.key, fs::Permissions::from_mode(0o644)).unwrap();
    let why = refusal(&mut companion);
    assert!(
        why.contains("server-key.pem") && why.contains("0600"),
        "{why}"
    );
    fs::set_permissions(&certificate.key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&certificate.key, "hunter2").unwrap();
    let why = refusal(&mut companion);
    assert!(
        why.contains("holds no private key") && !why.contains("hunter2"),
        "{why}"
    );
    companion.change(|settings| settings.tls_key = Some(other.key.clone()));
    assert!(refusal(&mut companion).contains("server.pem"));
    companion.change(|settings| settings.tls_cert = Some(other.chain.clone()));
    companion.resume().unwrap();
}
