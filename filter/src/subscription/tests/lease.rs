//! RV-16: one VM polls; a dead one is replaced; two at once do no harm.

use super::*;
use crate::fixture::{after, parameter, session};

#[test]
fn of_many_vms_one_polls() {
    let mut process = Process::new();
    let mut vms = [1, 2, 3].map(|seed| process.vm(seed));
    vms[0].settle(&process);
    for _ in 0..40 {
        process.pass(250);
        for vm in &mut vms[1..] {
            assert_eq!(vm.tick(&process), None);
        }
        vms[0].tick(&process);
    }
}

#[test]
fn a_dead_holder_is_replaced_and_the_new_one_asks_at_once_from_the_same_place() {
    let (mut process, mut vm) = Process::settled();
    process.companion.revoke(session(1));
    vm.learn(&process);
    let gateway = parameter(vm.asked(), "gateway").to_owned();
    drop(vm);
    let mut other = process.vm(2);
    process.pass(1_999);
    assert_eq!(other.tick(&process), None);
    process.pass(1);
    let poll = other.tick(&process).unwrap();
    assert_eq!(after(&poll).number, 2);
    assert_eq!(parameter(&poll, "hold"), "0");
    assert_eq!(parameter(&poll, "gateway"), gateway);
}

#[test]
fn an_answer_that_comes_after_the_lease_is_lost_is_dropped() {
    let (mut process, mut vm) = Process::settled();
    process.companion.revoke(session(1));
    process.pass(2_000);
    let mut other = process.vm(2);
    assert!(other.tick(&process).is_some());
    assert_eq!(vm.get_answer(&process), None);
    assert_eq!(process.is_revoked(session(1)), Ok(false));
    assert_eq!(vm.tick(&process), None, "it is no holder any more");
    other.settle(&process);
    assert_eq!(process.is_revoked(session(1)), Ok(true));
    // Should it become one again, its first poll does not wait.
    process.pass(2_000);
    assert_eq!(parameter(&vm.tick(&process).unwrap(), "hold"), "0");
}

/// Two holders at once: the lease is forced away and back while both have a page in hand.
#[test]
fn two_appliers_at_once_do_no_harm() {
    let (mut process, mut first) = Process::settled();
    let lease = process.value("lease").unwrap();
    process.pass(2_000);
    let mut second = process.vm(2);
    second.tick(&process);
    process.companion.revoke(session(1));
    let short = process.companion.answer(second.asked(), process.now.wall);
    process.companion.revoke(session(2));
    let long = process.companion.answer(first.asked(), process.now.wall);
    second.answer(&process, &short);
    // The first one believes in its lease; its page continues a cursor that has moved on.
    let until = process.now.monotonic + 1_000;
    let mut forced = lease;
    let at = forced.len() - 8;
    forced[at..].copy_from_slice(&until.to_be_bytes());
    process.shared.put(&process.key("lease"), &forced);
    first.answer(&process, &long);
    assert_eq!(first.notes().last(), Some(&Note::StateMoved));
    assert_eq!(process.state().cursor.number, 2);
    for number in [1, 2] {
        assert_eq!(
            process.is_revoked(session(number)),
            Ok(true),
            "entries only add"
        );
    }
    process.pass(1_000);
    first.settle(&process);
    assert_eq!(process.state().cursor.number, 3);
}

/// Both write one bucket between each other's read and write, at every possible moment.
#[test]
fn two_writers_of_one_bucket_lose_no_entry() {
    for moment in 0..40 {
        let (mut process, mut vm) = Process::settled();
        process.companion.revoke(session(1));
        let other = vec![(session(101), START.wall.plus(Duration::from_secs(300)))];
        let mut theirs = process.vm(2);
        let key = process.bucket(session(1));
        process.shared.interrupt(moment, move |shared| {
            theirs
                .subscription
                .unite(shared, &other, START.wall)
                .unwrap();
        });
        vm.learn(&process);
        let Found::Value(bytes, _) = process.shared.read(&key) else {
            panic!("a bucket")
        };
        assert_eq!(
            crate::bucket::contains(&bytes, session(1)),
            Ok(true),
            "{moment}"
        );
        let has_theirs = crate::bucket::contains(&bytes, session(101)).unwrap();
        assert!(
            has_theirs || process.shared.operations() < moment,
            "{moment}"
        );
    }
}

/// A holder that died between `state` and `v` has moved the cursor; nobody may acknowledge it before every VM has been told.
#[test]
fn a_new_holder_announces_what_the_dead_one_did_not() {
    let (mut process, mut vm) = Process::settled();
    let mut view = View::new(&process.config);
    assert_eq!(sees(&mut view, &process, session(1)), Ok(false));
    process.companion.rotate(17, 9);
    vm.get_answer(&process);
    process.shared.refuse_writes_to(Some("/v"));
    vm.get_answer(&process);
    assert_eq!(process.state().cursor.number, 2);
    let mut other = process.vm(2);
    process.pass(2_000);
    assert_eq!(other.tick(&process), None, "unheard, it asks nothing");
    process.shared.refuse_writes_to(None);
    process.pass(250);
    assert_eq!(after(&other.tick(&process).unwrap()).number, 2);
    let ground = view.ground(&process.shared).unwrap();
    assert!(ground.keys.find(crate::fixture::key(7).kid()).is_none());
}

/// Configurations that differ in rules share the subscription; old and new live in one VM while the old one drains.
#[test]
fn old_and_new_configuration_share_one_subscription() {
    let (mut process, mut old) = Process::settled();
    let rules = json!({ "rules": [{ "match": { "prefix": "/a" }, "require": "none" }] });
    let edited = config(rules);
    assert_eq!(edited.namespace, process.config.namespace);
    let mut new = process.vm(1);
    new.seed = 9;
    assert_eq!(new.tick(&process), None);
    process.pass(1_000);
    old.tick(&process);
    process.pass(2_000);
    assert!(new.tick(&process).is_some());
}
