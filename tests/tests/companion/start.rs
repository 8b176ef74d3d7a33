//! Starting: what a companion refuses to run on, and what it makes for itself.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tests::companion::Companion;

use crate::{companion_with_alice, in_sql, tamper};

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Why it does not start.
fn refusal(companion: &mut Companion) -> String {
    companion.resume().unwrap_err().to_string()
}

/// Design section 7: the store belongs to one master key; under another, new or exchanged, nothing runs on it.
#[test]
fn a_companion_with_another_master_key_does_not_start() {
    let (mut companion, _, alice) = companion_with_alice();
    companion.stop().unwrap();
    let key = companion.state().join("master.key");
    let own = fs::read_to_string(&key).unwrap();
    let other = Companion::start().unwrap();
    let foreign = fs::read_to_string(other.state().join("master.key")).unwrap();
    fs::write(&key, &foreign).unwrap();
    let why = refusal(&mut companion);
    assert!(
        why.contains("master.key") && why.contains("another master key"),
        "{why}"
    );
    assert!(!why.contains(foreign.trim()) && !why.contains(own.trim()));
    // No key is made for a store that has one already.
    fs::write(&key, own).unwrap();
    let aside = companion.state().join("aside");
    fs::rename(&key, &aside).unwrap();
    assert!(refusal(&mut companion).contains("master.key"));
    assert!(!key.exists());
    fs::rename(&aside, &key).unwrap();
    companion.resume().unwrap();
    alice.login(&companion.client().unwrap()).unwrap();
}

/// ST-02: a key that others can read is no secret. What is no key is refused too, and never shown.
#[test]
fn a_secret_that_others_can_read_is_refused() {
    for name in ["master.key", "gateway.token"] {
        let mut companion = Companion::start().unwrap();
        companion.stop().unwrap();
        let file = companion.state().join(name);
        for readable in [0o640, 0o604, 0o660, 0o644, 0o610] {
            chmod(&file, readable);
            let why = refusal(&mut companion);
            assert!(why.contains(name) && why.contains("0600"), "{why}");
        }
        for private in [0o400, 0o600] {
            chmod(&file, private);
            companion.resume().unwrap();
            companion.stop().unwrap();
        }
        let secret = fs::read_to_string(&file).unwrap();
        for bad in [
            String::new(),
            "hunter2".to_owned(),
            "A".repeat(if name == "master.key" { 43 } else { 31 }),
        ] {
            fs::write(&file, &bad).unwrap();
            let why = refusal(&mut companion);
            assert!(why.contains(name), "{why}");
            assert!(bad.is_empty() || !why.contains(&bad), "{why}");
        }
        fs::write(&file, secret).unwrap();
        companion.resume().unwrap();
    }
}

/// ST-06, KR-07: a signing key that was changed, or put in another's place, is not used.
#[test]
fn signing_keys_that_were_tampered_with_are_refused() {
    let sqlite = "zeroblob(72)";
    let postgres = "decode(repeat('00', 72), 'hex')";
    let zeros = in_sql(&Companion::stopped().unwrap(), sqlite, postgres);
    for change in [
        "UPDATE signing_keys SET purpose = CASE purpose WHEN 'access' THEN 'feed' ELSE 'access' END",
        "UPDATE signing_keys SET sealed = (SELECT sealed FROM signing_keys WHERE purpose = 'feed')",
        "UPDATE signing_keys SET kid = 'x' WHERE purpose = 'access'",
        &format!("UPDATE signing_keys SET sealed = {zeros} WHERE purpose = 'access'"),
        "DELETE FROM signing_keys WHERE purpose = 'feed'",
    ] {
        let mut companion = Companion::start().unwrap();
        companion.stop().unwrap();
        tamper(&companion, change);
        let why = refusal(&mut companion);
        assert!(why.contains("signing key"), "{change}: {why}");
    }
}

/// A start that fails holds nothing: the next one goes through.
#[test]
fn a_start_that_failed_leaves_nothing_locked() {
    let mut companion = Companion::stopped().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    companion.change(|settings| settings.internal_listen = address);
    let why = refusal(&mut companion);
    assert!(why.contains(&address.to_string()), "{why}");
    drop(taken);
    companion.resume().unwrap();
    companion.account("alice").unwrap();
}
