//! Key sets: fetched before the cursor moves, and no oftener than needed.

use super::*;
use crate::fixture::{after, key, key_set, ok, parameter, session};

/// KR-02, KR-06: entries are in force at once; cursor and freshness wait for the keys.
#[test]
fn the_cursor_does_not_pass_a_change_of_keys_before_the_set_is_there() {
    let (mut process, mut vm) = Process::settled();
    let before = process.state();
    process.companion.rotate(17, 9);
    process.companion.revoke(session(1));
    process.pass(1_000);
    let fetch = vm.get_answer(&process).unwrap();
    assert_eq!(fetch.path, "/gateway/v1/keys");
    assert_eq!(process.state(), before);
    assert_eq!(process.is_revoked(session(1)), Ok(true));
    let poll = vm.get_answer(&process).unwrap();
    assert_eq!(after(&poll).number, 3);
    assert_eq!(process.state().keys, 2);
    assert_eq!(process.state().last_iat, process.now.wall);
    let ground = View::new(&process.config).ground(&process.shared).unwrap();
    assert!(ground.keys.find(key(17).kid()).is_some());
    assert!(ground.keys.find(key(7).kid()).is_none());
}

/// KR-06.
#[test]
fn a_key_fetch_that_fails_leaves_the_cursor_where_it_was() {
    let (mut process, mut vm) = Process::settled();
    process.companion.rotate(17, 9);
    let mut old = Companion::new();
    old.keys = 1;
    let too_old = ok(old.key_document().to_json());
    let unreachable = Reply {
        status: Some(503),
        body: vec![],
    };
    for (reply, note) in [
        (too_old, Note::KeysTooOld),
        (unreachable, Note::Unreachable(Some(503))),
    ] {
        vm.get_answer(&process);
        assert_eq!(vm.asked().path, "/gateway/v1/keys");
        assert_eq!(vm.answer(&process, &reply), None);
        assert_eq!(vm.notes().last(), Some(&note));
        assert_eq!(process.state().cursor.number, 1);
        process.pass(1_000);
        assert_eq!(after(&vm.tick(&process).unwrap()).number, 1);
    }
}

/// A set newer than the page names will do, and is then not fetched again.
#[test]
fn a_newer_set_than_the_page_names_will_do() {
    let (mut process, mut vm) = Process::settled();
    process.companion.rotate(17, 9);
    vm.get_answer(&process);
    process.companion.rotate(27, 9);
    vm.get_answer(&process);
    assert_eq!(
        (process.state().cursor.number, process.state().keys),
        (2, 3)
    );
    let next = vm.get_answer(&process).unwrap();
    assert!(next.path.starts_with("/gateway/v1/revocations"));
    assert_eq!(after(&next).number, 3);
}

/// KR-06: at most once a second, and the polls between back off.
#[test]
fn an_unknown_feed_key_fetches_the_set_at_most_once_a_second() {
    let (mut process, mut vm) = Process::settled();
    let (mut fetched_at, mut polls) = (Vec::new(), 0);
    for _ in 0..240 {
        process.pass(250);
        vm.tick(&process);
        while let Some((_, fetch)) = &vm.waits_for {
            if fetch.path == "/gateway/v1/keys" {
                fetched_at.push(process.now.monotonic);
                vm.get_answer(&process);
            } else {
                polls += 1;
                let page = process.companion.page(after(fetch), process.now.wall);
                vm.answer(&process, &ok(page.sign(&key(77))));
            }
        }
    }
    assert!(fetched_at.len() >= 5);
    assert!(
        fetched_at.windows(2).all(|two| two[1] - two[0] >= 1_000),
        "{fetched_at:?}"
    );
    assert!(polls < 40, "{polls} in a minute");
}

#[test]
fn a_feed_key_that_changed_is_taken_and_the_page_read_again() {
    let (mut process, mut vm) = Process::settled();
    process.companion.rotate(7, 19);
    process.companion.revoke(session(1));
    process.pass(1_000);
    vm.get_answer(&process);
    process.pass(250);
    assert_eq!(vm.tick(&process).unwrap().path, "/gateway/v1/keys");
    vm.settle(&process);
    assert_eq!(process.is_revoked(session(1)), Ok(true));
    assert_eq!(process.state().keys, 2);
}

/// KR-02: a set that is older than the held one may hold a removed key again. No page vouches for it, so the gate closes until one does.
#[test]
fn an_older_set_without_a_page_counts_only_after_a_full_pass() {
    let (mut process, mut vm) = Process::settled();
    let lagging = ok(process.companion.key_document().to_json());
    process.companion.rotate(17, 9);
    vm.learn(&process);
    process.pass(5_000);
    vm.tick(&process);
    let page = process.companion.page(after(vm.asked()), process.now.wall);
    vm.answer(&process, &ok(page.sign(&key(77))));
    process.pass(1_000);
    assert_eq!(vm.tick(&process).unwrap().path, "/gateway/v1/keys");
    let poll = vm.answer(&process, &lagging).unwrap();
    assert_eq!(after(&poll), Cursor::START);
    assert!(View::new(&process.config).ground(&process.shared).is_err());
    vm.settle(&process);
    let ground = View::new(&process.config).ground(&process.shared).unwrap();
    assert!(ground.keys.find(key(7).kid()).is_none());
}

/// Pinned keys: both, and nothing is ever fetched; one of them, and the other still is.
#[test]
fn pinned_sets_are_not_fetched() {
    let (access, feed) = (key_set(7).to_value(), key_set(9).to_value());
    let mut process = Process::with(json!({ "jwks": { "inline": access, "feed": feed } }));
    let mut vm = process.vm(1);
    assert_eq!(parameter(&vm.tick(&process).unwrap(), "hold"), "0");
    vm.settle(&process);
    process.companion.rotate(17, 9);
    assert_eq!(after(&vm.get_answer(&process).unwrap()).number, 2);
    assert_eq!(process.value("keys"), None);
    let ground = View::new(&process.config).ground(&process.shared).unwrap();
    assert!(
        ground.keys.find(key(7).kid()).is_some(),
        "the pinned one stays"
    );
    for half in [json!({ "inline": access }), json!({ "feed": feed })] {
        let process = Process::with(json!({ "jwks": half }));
        let mut vm = process.vm(1);
        assert_eq!(vm.tick(&process).unwrap().path, "/gateway/v1/keys");
        vm.settle(&process);
        assert_eq!(process.is_revoked(session(1)), Ok(false));
    }
}

/// KR-06: a page by an unknown key, under pinned keys, is refused and fetches nothing.
#[test]
fn pinned_feed_keys_are_the_only_ones() {
    let (access, feed) = (key_set(7).to_value(), key_set(9).to_value());
    let mut process = Process::with(json!({ "jwks": { "inline": access, "feed": feed } }));
    let mut vm = process.vm(1);
    vm.settle(&process);
    process.companion.feed = 19;
    for _ in 0..5 {
        vm.get_answer(&process);
        process.pass(5_000);
        let poll = vm.tick(&process).unwrap();
        assert!(poll.path.starts_with("/gateway/v1/revocations"));
    }
}
