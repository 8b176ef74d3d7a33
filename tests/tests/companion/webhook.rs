//! Mail to a webhook: what is said, how it is signed, and what an answer means.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use companion::config::{Settings, Webhook};
use hmac::{Hmac, Mac as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use sha2::Sha256;
use tests::companion::{BEGINNING, Companion};
use tests::hook::{Call, Hook, Stream};
use tests::visitor::{Visitor, enter_code};
use tests::watch::wait_for;

use crate::authority::{Authority, Signed};
use crate::{MINUTE, stored};

const PATIENCE: Duration = Duration::from_secs(15);
const SECRET: &str = "a secret of more than thirty-two characters";
const DEAD: &str = "SELECT COUNT(*) FROM outbox WHERE dead_at IS NOT NULL";

fn to(hook: &Hook, scheme: &str, folder: &Path) -> impl Fn(&mut Settings) {
    let secret = folder.join("secret");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&secret)
        .unwrap();
    writeln!(file, "{SECRET}").unwrap();
    let url = format!("{scheme}://localhost:{}/send?by=latchkey", hook.port());
    move |settings| {
        settings.webhook = Webhook {
            url: Some(url.clone()),
            secret_file: Some(secret.clone()),
            ..Webhook::default()
        };
    }
}

fn call(hook: &Hook, number: usize) -> Call {
    wait_for("a call of the webhook", PATIENCE, || {
        Ok(hook.calls().get(number).cloned())
    })
    .unwrap()
}

fn wait_for_stored(companion: &Companion, query: &str, wanted: u32) {
    wait_for(query, PATIENCE, || {
        Ok((stored::<u32>(companion, query) == wanted).then_some(()))
    })
    .unwrap();
}

/// The signature as the other side computes it: over the moment, a dot and the bytes of the body.
fn signature(at: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let bytes = mac.finalize().into_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

#[test]
fn a_webhook_gets_the_code_signed() {
    let folder = tempfile::tempdir().unwrap();
    let hook = Hook::start().unwrap();
    let companion = Companion::with(to(&hook, "http", folder.path())).unwrap();
    let client = companion.client().unwrap();
    let alice = Visitor::named("alice");
    let challenge = alice.sign_up(&client).unwrap().string("/challenge_id");
    let call = call(&hook, 0);
    assert_eq!(call.request, "POST /send?by=latchkey HTTP/1.1");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(
        call.header("latchkey-signature"),
        signature(BEGINNING, &call.body)
    );
    let mut said = call.json();
    let code = said["code"].as_str().unwrap().to_owned();
    assert!(
        said["text"]
            .as_str()
            .unwrap()
            .contains(&format!("Your code is {code}\n"))
    );
    let varying = said.as_object_mut().unwrap();
    varying.remove("text");
    varying.remove("code");
    let id = varying.remove("id").unwrap();
    assert!(!id.as_str().unwrap().is_empty());
    assert_eq!(
        said,
        json!({ "v": 1, "mail": "activation_code", "purpose": "activation", "to": "alice@example.com",
                "subject": "Your code", "long_code": null })
    );
    assert_eq!(enter_code(&client, &challenge, &code).unwrap().status, 200);
    assert!(!companion.state().join("mail").exists());
}

/// What may pass is tried again with another code; what is refused for good is a dead letter; a redirect is followed nowhere.
#[test]
fn a_webhook_that_fails_is_called_again_and_one_that_refuses_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let hook = Hook::start().unwrap();
    let elsewhere = Hook::start().unwrap();
    let redirect = format!("302\r\nLocation: http://127.0.0.1:{}/", elsewhere.port());
    hook.answer(&["503", &redirect, "200", "422"]);
    let companion = Companion::with(to(&hook, "http", folder.path())).unwrap();
    let client = companion.client().unwrap();
    Visitor::named("alice").sign_up(&client).unwrap();
    let mut codes = Vec::new();
    for number in 0..3 {
        codes.push(call(&hook, number).json()["code"].clone());
        let left = "SELECT coalesce(max(tries), 3) FROM outbox";
        wait_for_stored(&companion, left, u32::try_from(number).unwrap() + 1);
        companion.advance_seconds(MINUTE);
    }
    codes.dedup();
    assert!(codes.len() > 1);
    Visitor::named("bob").sign_up(&client).unwrap();
    wait_for_stored(&companion, DEAD, 1);
    let why: String = stored(&companion, "SELECT last_error FROM outbox");
    assert_eq!(why, "the webhook answered 422");
    assert_eq!(hook.calls().len(), 4);
    assert!(elsewhere.calls().is_empty());
}

fn encrypted(certificate: &Signed) -> Hook {
    let chain = CertificateDer::pem_file_iter(&certificate.chain).unwrap();
    let key = PrivateKeyDer::from_pem_file(&certificate.key).unwrap();
    let config = ServerConfig::builder_with_provider(companion::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let config = Arc::new(config);
    Hook::with(move |stream: TcpStream| -> io::Result<Box<dyn Stream>> {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        Ok(Box::new(StreamOwned::new(connection, stream)))
    })
    .unwrap()
}

/// Over the network the webhook is the one whose certificate an authority of ours has signed, or it gets nothing.
#[test]
fn a_webhook_over_tls_must_show_a_certificate_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let strange = Authority::new(folder.path(), "strange");
    let hook = encrypted(&ours.sign("hook", "localhost"));
    let settings = to(&hook, "https", folder.path());
    let start = |ca: &Path| {
        let companion = Companion::with(|all| {
            settings(all);
            all.webhook.ca_file = Some(ca.to_owned());
        });
        let companion = companion.unwrap();
        let client = companion.client().unwrap();
        Visitor::named("alice").sign_up(&client).unwrap();
        companion
    };
    let companion = start(&strange.file);
    wait_for_stored(&companion, "SELECT coalesce(max(tries), 0) FROM outbox", 1);
    assert!(hook.calls().is_empty());
    let _companion = start(&ours.file);
    assert_eq!(call(&hook, 0).json()["to"], "alice@example.com");
}
