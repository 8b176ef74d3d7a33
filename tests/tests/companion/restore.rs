//! The operator's commands around a backup of the embedded store.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tests::command::latchkey;
use tests::companion::Gateway;

use crate::{at_once, companion_with_alice, is_alive};

/// ST-05: a whole moment of the store, made while it is written to, and private.
#[test]
fn a_backup_is_made_under_load_and_opens_as_a_store() {
    let (companion, client, alice) = companion_with_alice();
    let before = alice.login(&client).unwrap();
    let file = companion.state().with_file_name("copy.db");
    let backup = ["backup", file.to_str().unwrap()];
    at_once(5, |number| {
        if number == 0 {
            let printed = latchkey(companion.state(), &backup, &[]).unwrap();
            printed.expect().unwrap();
        } else {
            let mut tokens = alice.login(&client).unwrap();
            for _ in 0..10 {
                tokens = tokens.refresh(&client).unwrap();
            }
        }
    });
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // It replaces nothing, and leaves nothing beside it.
    let again = latchkey(companion.state(), &backup, &[]).unwrap();
    assert!(
        !again.is_success && again.text.contains("exists already"),
        "{}",
        again.text
    );
    let mut left: Vec<_> = fs::read_dir(file.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["copy.db", "state"]);

    let mut restored = companion.survivor().unwrap();
    restored.stop().unwrap();
    fs::copy(&file, restored.state().join("latchkey.db")).unwrap();
    restored.resume().unwrap();
    assert!(is_alive(&restored.client().unwrap(), &before));
}

#[test]
fn a_backup_of_nothing_is_refused_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    let printed = latchkey(folder.path(), &["backup", file.to_str().unwrap()], &[]).unwrap();
    assert!(!printed.is_success);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// RR-17: what a restored backup has revived is ended by one command, and every gateway hears of it.
#[test]
fn the_command_ends_every_session_that_a_restored_backup_has_revived() {
    let (mut companion, client, alice) = companion_with_alice();
    let [ended, kept] = [(), ()].map(|()| alice.login(&client).unwrap());
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    companion.stop().unwrap();
    let backup = companion.back_up().unwrap();
    companion.resume().unwrap();
    let client = companion.client().unwrap();
    crate::log_out(&client, &ended);
    let end_all = ["sessions", "end", "--all", "--direct"];
    // Not beside a running companion, whose store it is.
    assert!(
        !latchkey(companion.state(), &end_all, &[])
            .unwrap()
            .is_success
    );

    companion.stop().unwrap();
    companion.put_back(&backup, &["latchkey.db"]).unwrap();
    let printed = latchkey(companion.state(), &end_all, &[])
        .unwrap()
        .expect()
        .unwrap();
    assert!(printed.starts_with("2 sessions ended"), "{printed}");
    companion.resume().unwrap();
    let client = companion.client().unwrap();
    gateway.reconnect(&companion).unwrap();
    gateway.catch_up().unwrap();
    for tokens in [&ended, &kept] {
        assert!(!is_alive(&client, tokens));
        assert_eq!(tokens.try_refresh(&client).unwrap().status, 401);
        assert!(gateway.revoked(&tokens.session).is_some());
    }
    let printed = latchkey(companion.state(), &end_all, &[]).unwrap();
    assert!(!printed.is_success);
    assert!(is_alive(&client, &alice.login(&client).unwrap()));
}
