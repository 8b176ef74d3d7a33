//! When the lease holder asks, and how.

use super::*;
use crate::fixture::{after, ok, parameter};

#[test]
fn a_new_holder_takes_the_keys_first_then_a_page_at_once_and_then_waits() {
    let process = Process::new();
    let mut vm = process.vm(1);
    let keys = vm.tick(&process).unwrap();
    assert_eq!(keys.path, "/gateway/v1/keys");
    assert_eq!(keys.timeout, Duration::from_secs(2));
    let first = vm.get_answer(&process).unwrap();
    assert_eq!(after(&first), Cursor::START);
    assert_eq!(parameter(&first, "v"), "1");
    assert_eq!(parameter(&first, "hold"), "0");
    assert_eq!(parameter(&first, "staleness"), "60");
    assert_eq!(first.timeout, Duration::from_secs(2));
    let second = vm.get_answer(&process).unwrap();
    assert_eq!(after(&second).number, 1);
    assert_eq!(after(&second).mark, process.companion.mark(1));
    assert_eq!(parameter(&second, "hold"), "10");
    assert_eq!(second.timeout, Duration::from_secs(12));
    assert_eq!(parameter(&first, "gateway"), parameter(&second, "gateway"));
}

/// What the strictest rule needs sets the pace; the companion is told what the most patient one accepts.
#[test]
fn rules_shape_the_hold_and_the_staleness() {
    let process = Process::with(json!({ "rules": [
        { "match": { "path": "/transfer" }, "require": { "max_staleness": "6s" } },
        { "match": { "path": "/news" }, "require": { "max_staleness": "2m" } },
    ] }));
    let mut vm = process.vm(1);
    vm.settle(&process);
    assert_eq!(parameter(vm.asked(), "hold"), "2");
    assert_eq!(parameter(vm.asked(), "staleness"), "120");
}

#[test]
fn the_hold_is_a_third_of_the_staleness_and_at_least_a_second() {
    for (max_staleness, hold) in [("5s", "1"), ("6s", "2"), ("29s", "9"), ("1h", "10")] {
        let process = Process::with(json!({ "max_staleness": max_staleness }));
        let mut vm = process.vm(1);
        vm.settle(&process);
        assert_eq!(parameter(vm.asked(), "hold"), hold);
    }
}

#[test]
fn a_gateway_that_serves_stale_says_so_to_the_companion() {
    let process = Process::with(json!({ "on_stale": "allow" }));
    let mut vm = process.vm(1);
    vm.settle(&process);
    assert_eq!(parameter(vm.asked(), "staleness"), "none");
}

/// RV-18: from 250 ms, doubling to 5 s, with jitter; and one good page ends it.
#[test]
fn failing_polls_back_off_and_the_next_good_page_ends_it() {
    let (mut process, mut vm) = Process::settled();
    let unreachable = Reply {
        status: Some(503),
        body: b"upstream connect error".to_vec(),
    };
    for longest in [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000] {
        assert_eq!(vm.answer(&process, &unreachable), None);
        let mut waited = 0;
        while vm.tick(&process).is_none() {
            process.pass(50);
            waited += 50;
        }
        assert!(
            (longest * 3 / 4..=longest + 50).contains(&waited),
            "{waited} of {longest}"
        );
        assert_eq!(
            parameter(vm.asked(), "hold"),
            "0",
            "whoever is behind asks at once"
        );
    }
    assert_eq!(parameter(&vm.get_answer(&process).unwrap(), "hold"), "10");
    vm.answer(&process, &unreachable);
    process.pass(250);
    assert!(vm.tick(&process).is_some());
}

#[test]
fn gateways_that_failed_together_do_not_come_back_together() {
    let waits = [0x00, 0xff].map(|seed| {
        let mut process = Process::new();
        let mut vm = process.vm(seed);
        vm.settle(&process);
        let cut_off = Reply {
            status: None,
            body: vec![],
        };
        vm.answer(&process, &cut_off);
        let mut waited = 0;
        while vm.tick(&process).is_none() {
            process.pass(10);
            waited += 10;
        }
        waited
    });
    assert!(waits[1] < waits[0]);
}

#[test]
fn a_poll_whose_callback_never_comes_is_given_up() {
    let (mut process, mut vm) = Process::settled();
    for _ in 0..56 {
        process.pass(250);
        assert_eq!(vm.tick(&process), None);
    }
    process.pass(250);
    assert_eq!(vm.tick(&process), None, "given up, and backing off");
    assert_eq!(vm.notes().last(), Some(&Note::NoAnswer));
    process.pass(250);
    assert!(vm.tick(&process).is_some());
}

#[test]
fn a_call_that_could_not_be_sent_is_tried_again() {
    let mut process = Process::new();
    let mut vm = process.vm(1);
    let fetch = vm.subscription.tick(&process.shared, process.now, [1; 32]);
    assert!(fetch.is_some());
    vm.subscription.sent(None, process.now);
    assert_eq!(vm.notes(), [Note::LeaseTaken, Note::NotSent]);
    assert_eq!(vm.tick(&process), None);
    process.pass(250);
    assert!(vm.tick(&process).is_some());
}

/// RV-18: a companion that answers too soon cannot make the gate spin.
#[test]
fn a_heartbeat_that_comes_at_once_is_not_followed_at_once() {
    let (mut process, mut vm) = Process::settled();
    assert_eq!(vm.get_answer(&process), None);
    assert_eq!(vm.tick(&process), None);
    process.pass(250);
    assert!(vm.tick(&process).is_some());
    process.pass(10_000);
    vm.tick(&process);
    assert!(
        vm.get_answer(&process).is_some(),
        "one that took its time is"
    );
}

/// RV-18: nor one that never knows the cursor.
#[test]
fn a_companion_that_always_starts_over_is_not_asked_without_pause() {
    let (mut process, mut vm) = Process::settled();
    process.companion.history = 1;
    assert_eq!(vm.get_answer(&process), None);
    process.pass(250);
    assert!(vm.tick(&process).is_some());
}

#[test]
fn an_answer_to_another_call_changes_nothing() {
    let (process, mut vm) = Process::settled();
    let before = process.value("state");
    let reply = ok(process.companion.key_document().to_json());
    let next = vm
        .subscription
        .answered(&process.shared, &SoftwareCheck, 77, &reply, process.now);
    assert_eq!(next, None);
    assert_eq!(process.value("state"), before);
    assert!(vm.get_answer(&process).is_none());
    assert_eq!(vm.notes().last(), Some(&Note::PageApplied { entries: 0 }));
}
