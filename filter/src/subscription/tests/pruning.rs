//! RV-08: entries go when nothing can need them any more, and no sooner.

use super::*;
use crate::bucket;
use crate::fixture::{after, session};

/// A round over all buckets, with heartbeats on the way.
fn round(process: &mut Process, vm: &mut Vm) {
    for _ in 0..256 {
        vm.tick(process);
        while vm.waits_for.is_some() && vm.get_answer(process).is_some() {}
        process.pass(250);
    }
}

#[test]
fn an_entry_goes_a_minute_after_the_last_token_has_expired() {
    let (mut process, mut vm) = Process::settled();
    for number in 1..=50 {
        process.companion.revoke(session(number));
    }
    vm.learn(&process);
    let full = process.value("b/0001").unwrap().len();
    // Five rounds of 64 s: 320 s, the tokens have expired, the minute has not passed. The first one had begun before the page came.
    round(&mut process, &mut vm);
    for _ in 0..4 {
        vm.notes();
        round(&mut process, &mut vm);
        assert!(vm.notes().contains(&Note::Counted(50)));
    }
    round(&mut process, &mut vm);
    vm.notes();
    round(&mut process, &mut vm);
    assert!(vm.notes().contains(&Note::Counted(0)));
    assert!(process.value("b/0001").unwrap().len() < full);
    assert_eq!(process.is_revoked(session(1)), Ok(false));
}

#[test]
fn a_tick_looks_at_256_buckets() {
    let (mut process, mut vm) = Process::settled();
    process.pass(250);
    let before = process.shared.operations();
    vm.tick(&process);
    let looked = process.shared.operations() - before;
    assert!((256..270).contains(&looked), "{looked}");
    assert_eq!(vm.subscription.prune_from, 512);
}

/// RV-06: a wall clock that once ran ahead costs no entry, neither in the round nor when a page is united.
#[test]
fn a_wall_clock_that_jumps_ahead_and_back_takes_nothing_back() {
    let (mut process, mut vm) = Process::settled();
    process.companion.revoke(session(1));
    vm.learn(&process);
    let right = process.now;
    process.now.wall = right.wall.plus(Duration::from_secs(86_400));
    process.companion.revoke(session(101));
    let reply = process.companion.answer(vm.asked(), right.wall);
    vm.answer(&process, &reply);
    for _ in 0..256 {
        vm.tick(&process);
    }
    process.now.wall = right.wall;
    assert_eq!(process.is_revoked(session(1)), Ok(true));
    assert_eq!(process.is_revoked(session(101)), Ok(true));
}

/// RV-08: memory is bounded. What does not fit is not acknowledged, so the gate grows stale and denies; nothing that is held is lost.
#[test]
fn a_bucket_that_is_full_takes_no_page_until_it_has_room() {
    let (mut process, mut vm) = Process::settled();
    let ends = |seconds| START.wall.plus(Duration::from_secs(seconds));
    let held = (0..bucket::MAX_ENTRIES).map(|number| {
        let [.., high, low] = number.to_be_bytes();
        let mut id = [high; 16];
        id[..4].copy_from_slice(&[0, 1, low, 0xff]);
        (SessionId::from_bytes(id), ends(30))
    });
    let held: Vec<_> = held.collect();
    let key = process.key("b/0001");
    process.shared.put(&key, &bucket::encode(&held));
    let cursor = || after(vm.asked());
    let before = cursor();
    process.companion.revoke(session(1));
    process.companion.revoke(session(2));
    vm.get_answer(&process);
    assert_eq!(vm.notes().last(), Some(&Note::BucketFull));
    assert_eq!(process.value("b/0001").unwrap(), bucket::encode(&held));
    process.pass(5_000);
    vm.tick(&process);
    assert_eq!(after(vm.asked()), before, "nothing was acknowledged");
    // The others expire a minute after their `exp`; then there is room.
    for _ in 0..3 {
        round(&mut process, &mut vm);
    }
    for revoked in [session(1), session(2)] {
        assert_eq!(process.is_revoked(revoked), Ok(true));
    }
}
