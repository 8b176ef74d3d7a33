//! FR-24: a value that cannot be read closes the gate until one full pass from number 0 has ended; it never opens it.

use super::*;
use crate::fixture::{after, parameter, session};

const JUNK: [&[u8]; 5] = [b"", b"junk", &[0; 16], &[0xff; 24], &[b'L'; 70]];

/// A settled process with one revoked session, and the view of another VM that has seen it.
fn revoked() -> (Process, Vm, View) {
    let (mut process, mut vm) = Process::settled();
    process.companion.revoke(session(1));
    vm.learn(&process);
    let mut view = View::new(&process.config);
    assert_eq!(sees(&mut view, &process, session(1)), Ok(true));
    (process, vm, view)
}

/// Until a full pass has ended nobody is told "not revoked", and it does end.
fn closes_and_heals(process: &mut Process, vm: &mut Vm, view: &mut View, what: &str) {
    let mut closed = false;
    for _ in 0..30 {
        vm.tick(process);
        // The view is of a VM that has seen a good state before.
        let known = sees(view, process, session(1));
        closed |= known == Err(Unsynced);
        for answer in [known, process.is_revoked(session(1))] {
            assert_ne!(answer, Ok(false), "{what}");
        }
        if let Some((_, fetch)) = &vm.waits_for
            && !(fetch.path.contains("&hold=10") && process.state().is_synced)
        {
            vm.get_answer(process);
        }
        process.pass(250);
    }
    assert!(closed, "{what}: nobody noticed");
    assert_eq!(sees(view, process, session(1)), Ok(true), "{what}");
    assert_eq!(process.is_revoked(session(1)), Ok(true), "{what}");
    assert_eq!(sees(view, process, session(2)), Ok(false), "{what}");
}

#[test]
fn junk_over_any_value_closes_the_gate_until_a_full_pass() {
    for name in ["state", "keys", "alive", "b/0001"] {
        for junk in JUNK {
            let (mut process, mut vm, mut view) = revoked();
            process.shared.put(&process.key(name), junk);
            closes_and_heals(
                &mut process,
                &mut vm,
                &mut view,
                &format!("{name} {junk:?}"),
            );
        }
    }
}

/// The holder sees it by itself, at its next question.
#[test]
fn junk_over_the_keys_is_found_without_a_request() {
    let (mut process, mut vm, _) = revoked();
    process.shared.put(&process.key("keys"), b"junk");
    process.pass(250);
    vm.get_answer(&process);
    assert!(!process.state().is_synced);
    assert!(vm.notes().contains(&Note::Unreadable));
}

/// Sixteen bytes of another plugin are no id: in every Envoy they would be the same one, and one would acknowledge for the others.
#[test]
fn foreign_bytes_are_no_gateway_id() {
    let (mut process, mut vm, _) = revoked();
    process.shared.put(&process.key("alive"), &[7; 16]);
    process.pass(250);
    let poll = vm.tick(&process).expect("a new poll");
    assert_ne!(parameter(&poll, "gateway"), "07".repeat(16));
}

/// A lease that cannot be read is taken over; nothing else depends on it.
#[test]
fn junk_over_the_lease_is_taken_over() {
    for junk in JUNK {
        let (process, mut vm, mut view) = revoked();
        process.shared.put(&process.key("lease"), junk);
        vm.tick(&process);
        assert!(vm.subscription.holds_lease);
        assert_eq!(sees(&mut view, &process, session(1)), Ok(true));
    }
}

/// `v` carries no value: whatever is written there only makes every VM look again.
#[test]
fn junk_over_the_version_is_no_news() {
    for junk in JUNK {
        let (process, _, mut view) = revoked();
        process.shared.put(&process.key("v"), junk);
        assert_eq!(sees(&mut view, &process, session(1)), Ok(true));
        assert_eq!(sees(&mut view, &process, session(2)), Ok(false));
    }
}

/// All at once, and found first by a request: the empty bucket that takes the place of the junk is not seen by a VM with an old copy.
#[test]
fn a_replaced_bucket_is_seen_by_no_vm_as_not_revoked() {
    for (name, write) in [("state", true), ("state", false)] {
        let (process, _, mut view) = revoked();
        if write {
            process.shared.put(&process.key(name), b"junk");
        }
        process.shared.put(&process.key("b/0001"), b"junk");
        let mut other = View::new(&process.config);
        let _ = other.ground(&process.shared);
        assert!(other.is_revoked(&process.shared, session(1)).is_err());
        assert_eq!(sees(&mut view, &process, session(1)), Err(Unsynced));
    }
}

/// Where the other VMs cannot be told, the junk stays, and everyone who meets it denies.
#[test]
fn junk_is_not_replaced_while_nobody_can_be_told() {
    let (process, _, mut view) = revoked();
    process.shared.put(&process.key("b/0001"), b"junk");
    for ending in ["/v", "/state"] {
        process.shared.refuse_writes_to(Some(ending));
        assert_eq!(process.is_revoked(session(1)), Err(Unsynced));
        assert_eq!(process.value("b/0001").unwrap(), b"junk");
        assert_eq!(sees(&mut view, &process, session(1)), Err(Unsynced));
    }
}

/// The poll that was under way is void; a held one is not waited for.
#[test]
fn a_pass_that_starts_over_asks_at_once() {
    let (mut process, mut vm, _) = revoked();
    process.shared.put(&process.key("b/0001"), b"junk");
    assert_eq!(process.is_revoked(session(1)), Err(Unsynced));
    process.pass(250);
    let poll = vm.tick(&process).expect("a new poll");
    assert_eq!(after(&poll), Cursor::START);
    assert!(poll.path.contains("&hold=0&"));
}

/// A page that was asked for before does not end the pass that began after.
#[test]
fn an_answer_from_before_does_not_end_the_new_pass() {
    let process = Process::new();
    let mut vm = process.vm(1);
    vm.tick(&process);
    vm.get_answer(&process);
    let old = process.companion.answer(vm.asked(), process.now.wall);
    process.shared.put(&process.key("b/0001"), b"junk");
    let mut view = View::new(&process.config);
    assert!(view.is_revoked(&process.shared, session(1)).is_err());
    vm.answer(&process, &old);
    assert_eq!(vm.notes().last(), Some(&Note::StateMoved));
    assert!(!process.state().is_synced);
}

/// Nor does one whose page was looked at before and waited for its keys.
#[test]
fn a_page_that_waited_for_its_keys_does_not_end_the_new_pass() {
    let (mut process, mut vm, _) = revoked();
    process.companion.rotate(17, 9);
    assert_eq!(vm.get_answer(&process).unwrap().path, "/gateway/v1/keys");
    process.shared.put(&process.key("b/0001"), b"junk");
    assert_eq!(process.is_revoked(session(1)), Err(Unsynced));
    vm.get_answer(&process);
    assert_eq!(vm.notes().last(), Some(&Note::StateMoved));
    assert!(!process.state().is_synced);
    assert_eq!(process.is_revoked(session(1)), Err(Unsynced));
}

/// An odd answer of the host is not a missing key.
#[test]
fn a_read_that_fails_is_never_not_revoked() {
    let (process, mut vm, mut view) = revoked();
    for ending in ["/v", "/b/0001"] {
        process.shared.refuse_reads_of(Some(ending));
        assert_eq!(sees(&mut view, &process, session(1)), Err(Unsynced));
        assert_eq!(process.is_revoked(session(1)), Err(Unsynced));
    }
    for ending in ["/state", "/keys"] {
        process.shared.refuse_reads_of(Some(ending));
        assert_eq!(process.is_revoked(session(1)), Err(Unsynced));
    }
    for ending in ["/state", "/alive", "/lease", "/keys"] {
        process.shared.refuse_reads_of(Some(ending));
        vm.tick(&process);
    }
    process.shared.refuse_reads_of(None);
    assert_eq!(process.is_revoked(session(1)), Ok(true));
}
