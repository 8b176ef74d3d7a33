//! FR-13: a scope that is lost at any moment is unsynced, never empty.

use super::*;
use crate::fixture::{after, key, key_set, ok, parameter, session};

/// Loses the scope before each possible operation of `act`, and looks at what every VM says until all is well again.
fn lost_at_every_moment(
    changes: &Value,
    prepare: impl Fn(&mut Process, &mut Vm),
    act: impl Fn(&Process, &mut Vm),
) {
    let mut moment = 0;
    loop {
        let (mut process, mut vm) = Process::settled_with(changes.clone());
        process.companion.revoke(session(1));
        vm.learn(&process);
        prepare(&mut process, &mut vm);
        let mut view = View::new(&process.config);
        assert_eq!(sees(&mut view, &process, session(1)), Ok(true));
        let before = process.shared.operations();
        process.shared.interrupt(moment, Memory::wipe);
        act(&process, &mut vm);
        if process.shared.operations() - before <= moment {
            assert!(moment > 3);
            return;
        }
        for _ in 0..16 {
            assert_ne!(
                sees(&mut view, &process, session(1)),
                Ok(false),
                "moment {moment}"
            );
            assert_ne!(process.is_revoked(session(1)), Ok(false), "moment {moment}");
            process.pass(250);
            vm.tick(&process);
            assert_ne!(process.is_revoked(session(1)), Ok(false), "moment {moment}");
            if let Some((_, fetch)) = &vm.waits_for
                && !fetch.path.contains("&hold=10")
            {
                vm.get_answer(&process);
            }
        }
        assert_eq!(
            sees(&mut view, &process, session(1)),
            Ok(true),
            "moment {moment}"
        );
        moment += 1;
    }
}

/// Fetched and pinned keys: with pinned ones there is no missing `keys` that would close the gate.
fn sources() -> [Value; 3] {
    let (access, feed) = (key_set(7).to_value(), key_set(9).to_value());
    [
        json!({}),
        json!({ "jwks": { "inline": access } }),
        json!({ "jwks": { "inline": access, "feed": feed } }),
    ]
}

#[test]
fn lost_while_a_page_is_applied() {
    let prepare = |process: &mut Process, _: &mut Vm| {
        process.companion.revoke(session(2));
        process.companion.revoke(session(102));
    };
    for changes in sources() {
        lost_at_every_moment(&changes, prepare, |process, vm| {
            vm.get_answer(process);
        });
    }
}

#[test]
fn lost_while_a_heartbeat_is_applied() {
    let prepare = |process: &mut Process, _: &mut Vm| process.pass(1_000);
    for changes in sources() {
        lost_at_every_moment(&changes, prepare, |process, vm| {
            vm.get_answer(process);
        });
    }
}

#[test]
fn lost_while_a_page_waits_for_its_keys() {
    let prepare = |process: &mut Process, vm: &mut Vm| {
        process.companion.rotate(17, 9);
        vm.get_answer(process);
        assert_eq!(vm.asked().path, "/gateway/v1/keys");
    };
    for changes in sources().into_iter().take(2) {
        lost_at_every_moment(&changes, prepare, |process, vm| {
            vm.get_answer(process);
        });
    }
}

#[test]
fn lost_while_keys_are_taken_without_a_page() {
    let prepare = |process: &mut Process, vm: &mut Vm| {
        process.pass(5_000);
        vm.tick(process);
        let page = process.companion.page(after(vm.asked()), process.now.wall);
        vm.answer(process, &ok(page.sign(&key(77))));
        process.pass(1_000);
        assert_eq!(vm.tick(process).unwrap().path, "/gateway/v1/keys");
    };
    for changes in sources().into_iter().take(2) {
        lost_at_every_moment(&changes, prepare, |process, vm| {
            vm.get_answer(process);
        });
    }
}

#[test]
fn lost_while_a_holder_ticks() {
    let prepare = |process: &mut Process, _: &mut Vm| process.pass(250);
    for changes in sources() {
        lost_at_every_moment(&changes, prepare, |process, vm| {
            vm.tick(process);
        });
    }
}

/// A scope that begins anew is another gateway to the companion: what the old one acknowledged is not its own.
#[test]
fn a_lost_scope_is_another_gateway_that_starts_from_nothing() {
    let (mut process, mut vm) = Process::settled();
    process.companion.revoke(session(1));
    vm.learn(&process);
    let gateway = parameter(vm.asked(), "gateway").to_owned();
    process.shared.wipe();
    assert_eq!(process.is_revoked(session(1)), Err(Unsynced));
    process.pass(250);
    let next = vm.tick(&process).unwrap();
    assert_eq!(next.path, "/gateway/v1/keys");
    let poll = vm.get_answer(&process).unwrap();
    assert_eq!(after(&poll), Cursor::START);
    assert_ne!(parameter(&poll, "gateway"), gateway);
}
