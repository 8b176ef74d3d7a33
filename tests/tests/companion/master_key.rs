//! Versions of the master key: rotated, refreshed with, removed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tests::client::Client;
use tests::companion::{Companion, Gateway};
use tests::watch::wait_for;

use crate::{companion_with_alice, in_sql, is_alive, refusal, stored, with_app};

/// A file with another master key.
fn key_file(companion: &Companion, name: &str, byte: u8) -> PathBuf {
    let mut key = [byte; 32];
    key[0] = 0;
    let file = companion.state().parent().unwrap().join(name);
    fs::write(&file, URL_SAFE_NO_PAD.encode(key)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// Starts it anew over the first key and those of these files, the newest first.
fn restart(companion: &mut Companion, newest: PathBuf, older: &[PathBuf]) -> Client {
    companion.stop().unwrap();
    companion.change(|settings| {
        settings.master_key_file = Some(newest);
        settings.old_master_key_files = older.to_vec();
    });
    companion.resume().unwrap();
    companion.client().unwrap()
}

/// Waits until all that is sealed in that table lies under that version.
fn await_sealed(companion: &Companion, table: &str, version: u8) {
    let hex = in_sql(companion, "lower(hex(sealed))", "encode(sealed, 'hex')");
    let others = format!(
        "SELECT COUNT(*) FROM {table} WHERE substr({hex}, 1, 10) <> '01000000{version:02x}'"
    );
    wait_for(
        "what is sealed to be sealed anew",
        Duration::from_secs(20),
        || Ok((stored::<u32>(companion, &others) == 0).then_some(())),
    )
    .unwrap();
}

/// RR-16, ST-09: the new version makes what is new; what the old one has made holds until the old one is removed, and dies with it.
#[test]
fn a_master_key_is_rotated_without_a_lost_session_and_its_removal_kills_its_tokens() {
    let (mut companion, client, alice) = companion_with_alice();
    let [used, left, access] = [(), (), ()].map(|()| alice.login(&client).unwrap());
    let first = companion.state().join("master.key");
    let second = key_file(&companion, "second.key", 2);
    let gateway = Gateway::synced(&companion, 1, "60").unwrap();

    let client = restart(&mut companion, second.clone(), std::slice::from_ref(&first));
    assert!(is_alive(&client, &access));
    // The parent within the grace gets the same successor, which the new version has made.
    let used_before = used.clone();
    let used = used.refresh(&client).unwrap();
    assert_eq!(used_before.refresh(&client).unwrap().refresh, used.refresh);
    let made = alice.login(&client).unwrap();
    // The signing keys are the same ones.
    let mut gateway_now = gateway;
    gateway_now.reconnect(&companion).unwrap();
    gateway_now.catch_up().unwrap();
    await_sealed(&companion, "signing_keys", 2);

    let client = restart(&mut companion, second, &[]);
    assert!(is_alive(&client, &used) && is_alive(&client, &access));
    used.refresh(&client).unwrap();
    made.refresh(&client).unwrap();
    let refused = (401, "invalid_refresh_token".to_owned());
    assert_eq!(refusal(&left.try_refresh(&client).unwrap()), refused);
    // It was no reuse: nothing has ended, and the access token is as good as it was.
    assert!(is_alive(&client, &left));
    assert_eq!(refusal(&used_before.try_refresh(&client).unwrap()), refused);
    assert!(is_alive(&client, &used));

    // The first key alone opens nothing here any more.
    companion.stop().unwrap();
    companion.change(|settings| {
        settings.master_key_file = Some(first);
        settings.old_master_key_files = Vec::new();
    });
    let why = companion.resume().unwrap_err().to_string();
    assert!(why.contains("signing key"), "{why}");
}

/// RR-16: replicas first learn the new key, then use it: at no moment does one of them meet a token that it cannot read.
#[test]
fn a_new_master_key_can_be_known_before_it_is_used() {
    let (mut companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let first = companion.state().join("master.key");
    let second = key_file(&companion, "second.key", 2);
    let client = restart(&mut companion, first.clone(), std::slice::from_ref(&second));
    let tokens = tokens.refresh(&client).unwrap();
    await_sealed(&companion, "signing_keys", 1);
    // Made with the second by a replica that is a step further.
    let client = restart(&mut companion, second.clone(), std::slice::from_ref(&first));
    let tokens = tokens.refresh(&client).unwrap();
    await_sealed(&companion, "signing_keys", 2);
    let client = restart(&mut companion, first.clone(), std::slice::from_ref(&second));
    let tokens = tokens.refresh(&client).unwrap();
    // Three are tried.
    let third = key_file(&companion, "third.key", 3);
    let client = restart(&mut companion, third, &[second, first]);
    tokens.refresh(&client).unwrap();
}

/// ST-06, RR-16: nobody is locked out of an account by the change of the key that sealed the secret of his app.
#[test]
fn an_authenticator_app_outlives_the_master_key_that_it_was_sealed_with() {
    let mut alice = with_app();
    let old = alice.companion.state().join("master.key");
    let new = key_file(&alice.companion, "second.key", 2);
    let older = std::slice::from_ref(&old);
    restart(&mut alice.companion, new.clone(), older);
    await_sealed(&alice.companion, "totp", 2);
    await_sealed(&alice.companion, "signing_keys", 2);
    alice.client = restart(&mut alice.companion, new, &[]);
    // The time step of the enrolment is as used as it was.
    let used = alice.enter(&alice.challenge(), &alice.code());
    assert_eq!(used.status, 422);
    alice.log_in();
}

/// CF-02, RR-16: a key that the store does not know does not get in, whatever stands beside it that is no key of the store either.
#[test]
fn a_companion_whose_keys_are_all_unknown_does_not_start() {
    let (mut companion, _, _) = companion_with_alice();
    let [one, two] =
        [("one.key", 7), ("two.key", 8)].map(|(name, byte)| key_file(&companion, name, byte));
    let mut refused = |newest: PathBuf, older: Vec<PathBuf>, what: &str| {
        companion.stop().unwrap();
        companion.change(|settings| {
            settings.master_key_file = Some(newest);
            settings.old_master_key_files = older;
        });
        let why = companion.resume().unwrap_err().to_string();
        assert!(why.contains(what), "{why}");
    };
    refused(one.clone(), Vec::new(), "another master key");
    refused(one.clone(), vec![two], "another master key");
    refused(one.clone(), vec![one], "another master key");
}
