//! The files of the embedded store: who may open them, and who may read them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use tests::client::Client;
use tests::companion::Companion;
use tests::part::Part;
use tests::place;
use tests::ports::Ports;
use tests::visitor::Visitor;
use tests::watch::wait_for;
use walk::files;

use crate::companion_with_alice;

mod walk {
    use super::{Path, PathBuf, fs};

    /// Everything below a folder.
    pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let below = |path: PathBuf| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        };
        entries.flat_map(below).collect()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Why it does not start.
fn refusal(companion: &mut Companion) -> String {
    companion.resume().unwrap_err().to_string()
}

/// Design section 7: one companion to a state directory; the one that runs is not disturbed.
#[test]
fn a_second_companion_on_the_same_state_directory_does_not_start() {
    let (mut companion, client, alice) = companion_with_alice();
    let mut second = Companion::stopped().unwrap();
    let state = companion.state().to_owned();
    second.change(|settings| settings.state = state);
    for _ in 0..2 {
        let why = refusal(&mut second);
        assert!(
            why.contains("another companion uses this state directory"),
            "{why}"
        );
    }
    alice.login(&client).unwrap();
    companion.stop().unwrap();
    second.resume().unwrap();
    alice.login(&second.client().unwrap()).unwrap();
    assert!(refusal(&mut companion).contains("another companion"));
    second.stop().unwrap();
}

/// ST-05: whatever it makes is its own user's alone; a store that others could read is closed to them.
#[test]
fn every_file_is_readable_by_its_owner_alone() {
    let (mut companion, client, alice) = companion_with_alice();
    alice.login(&client).unwrap();
    let made = files(companion.state());
    for name in [
        "latchkey.db",
        "latchkey.db-wal",
        "throttle.db",
        "throttle.db-wal",
        "latchkey.lock",
        "master.key",
        "gateway.token",
    ] {
        assert!(made.contains(&companion.state().join(name)), "{name}");
    }
    assert!(
        made.iter()
            .any(|path| path.extension().is_some_and(|kind| kind == "eml"))
    );
    for path in &made {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    for folder in [companion.state().to_owned(), companion.state().join("mail")] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    companion.stop().unwrap();
    for name in ["latchkey.db", "throttle.db"] {
        chmod(&companion.state().join(name), 0o644);
    }
    companion.resume().unwrap();
    alice.login(&companion.client().unwrap()).unwrap();
    for path in files(companion.state()) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// ST-07: a store that a newer version made is left as it is.
#[test]
fn a_store_of_a_newer_version_is_refused() {
    for name in ["latchkey.db", "throttle.db"] {
        let (mut companion, _, alice) = companion_with_alice();
        companion.stop().unwrap();
        let file = companion.state().join(name);
        let before = fs::read(&file).unwrap();
        let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                     VALUES (1000, 'from_the_future', '2030-01-01T00:00:00Z', '1')";
        let older = "DELETE FROM refinery_schema_history WHERE version = 1000";
        let change = |statement: &str| {
            Connection::open(&file)
                .unwrap()
                .execute_batch(statement)
                .unwrap()
        };
        change(newer);
        let made = fs::read(&file).unwrap();
        let why = refusal(&mut companion);
        assert!(why.contains(name), "{why}");
        assert_eq!(fs::read(&file).unwrap(), made);
        change(older);
        assert_ne!(before, made);
        companion.resume().unwrap();
        alice.login(&companion.client().unwrap()).unwrap();
    }
}

/// CF-07: as a user that is not root, who can write into the state directory and nowhere else.
#[test]
fn it_runs_as_an_ordinary_user_and_writes_into_its_state_directory_alone() {
    /// `nobody`, where the tests run as root.
    const NOBODY: u32 = 65_534;
    let place = tempfile::tempdir().unwrap();
    let (program, state) = (place.path().join("latchkey"), place.path().join("state"));
    fs::copy(place::program("latchkey").unwrap(), &program).unwrap();
    fs::create_dir(&state).unwrap();
    let ports = Ports::free().unwrap();
    let mut command = Command::new(&program);
    command
        .arg("serve")
        .current_dir(place.path())
        .env_clear()
        // No home, and no temporary files.
        .env("TMPDIR", place.path().join("nowhere"))
        .env("LATCHKEY_STATE", &state)
        .env("LATCHKEY_LISTEN", format!("127.0.0.1:{}", ports.companion))
        .env(
            "LATCHKEY_INTERNAL_LISTEN",
            format!("127.0.0.1:{}", ports.internal),
        );
    if fs::metadata(place.path()).unwrap().uid() == 0 {
        chown(&state, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    chmod(place.path(), 0o555);
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut part = Part::start("companion", command, log.path().to_owned()).unwrap();
    let internal = Client::new(ports.internal).unwrap();
    wait_for("the companion", Duration::from_secs(30), || {
        part.must_run()?;
        let answer = internal.get("/readyz").send();
        Ok(answer
            .is_ok_and(|answer| answer.status == 200)
            .then_some(()))
    })
    .unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", part.id())).unwrap();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:\t"));
    assert!(!user.unwrap().split('\t').any(|id| id == "0"), "{user:?}");
    let alice = Visitor::named("alice");
    let mailbox = tests::mailbox::Mailbox::new(state.join("mail"));
    let client = Client::new(ports.companion).unwrap();
    alice.register(&client, &mailbox).unwrap();
    alice.login(&client).unwrap();
    part.terminate();
    chmod(place.path(), 0o755);
    let mut made: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    made.sort();
    assert_eq!(made, ["latchkey", "state"]);
}
