//! Which pages are applied, and what they move.

use super::*;
use crate::fixture::{after, session};

/// FR-14: synced only at the end of the pass, however many pages it takes.
#[test]
fn a_full_pass_of_many_pages_ends_with_the_last() {
    let mut process = Process::new();
    process.companion.page_size = 2;
    for number in 1..=5 {
        process.companion.revoke(session(number));
    }
    let mut vm = process.vm(1);
    vm.tick(&process);
    vm.get_answer(&process);
    for number in [2, 4] {
        let next = vm.get_answer(&process).unwrap();
        assert_eq!(after(&next).number, number);
        assert!(!process.state().is_synced);
        assert_eq!(process.is_revoked(session(1)), Err(Unsynced));
    }
    vm.get_answer(&process);
    for number in 1..=5 {
        assert_eq!(process.is_revoked(session(number)), Ok(true));
    }
    assert_eq!(process.is_revoked(session(6)), Ok(false));
}

/// Writes only add; what shares a bucket stays apart.
#[test]
fn sessions_of_one_bucket_are_told_apart() {
    let (mut process, mut vm) = Process::settled();
    assert_eq!(session(3).bucket(), session(103).bucket());
    process.companion.revoke(session(3));
    vm.learn(&process);
    assert_eq!(process.is_revoked(session(3)), Ok(true));
    assert_eq!(process.is_revoked(session(103)), Ok(false));
    process.companion.revoke(session(103));
    vm.learn(&process);
    assert_eq!(process.is_revoked(session(3)), Ok(true));
    assert_eq!(process.is_revoked(session(103)), Ok(true));
}

/// RV-07.
#[test]
fn a_page_that_does_not_continue_is_refused_and_changes_nothing() {
    let (mut process, mut vm) = Process::settled();
    process.companion.revoke(session(1));
    process.companion.revoke(session(2));
    vm.learn(&process);
    let before = process.value("state");
    let good = process.companion.page(after(vm.asked()), process.now.wall);
    for (from, seq) in [(1, 3), (2, 3), (4, 4), (4, 9)] {
        let mut page = good.clone();
        (page.after, page.seq) = (from, seq);
        page.revoked = vec![(session(9), process.now.wall)];
        assert_eq!(vm.answer(&process, &process.companion.sign(&page)), None);
        assert_eq!(vm.notes().last(), Some(&Note::DoesNotContinue));
        assert_eq!(process.value("state"), before);
        assert_eq!(process.is_revoked(session(9)), Ok(false));
        process.pass(5_000);
        vm.tick(&process);
    }
}

/// A heartbeat of another history of the store stands at our number, but not at our mark.
#[test]
fn a_heartbeat_with_another_mark_is_refused() {
    let (mut process, mut vm) = Process::settled();
    process.pass(5_000);
    vm.tick(&process);
    let before = process.value("state");
    let mut page = process.companion.page(after(vm.asked()), process.now.wall);
    process.companion.history = 1;
    page.mark = process.companion.mark(1);
    assert_eq!(vm.answer(&process, &process.companion.sign(&page)), None);
    assert_eq!(
        vm.notes(),
        [
            Note::LeaseTaken,
            Note::KeysTaken(1),
            Note::ClocksDiffer(0),
            Note::PageApplied { entries: 0 },
            Note::ClocksDiffer(0),
            Note::DoesNotContinue
        ]
    );
    assert_eq!(process.value("state"), before);
}

/// RV-17: a rolled-back store that has handed out the same numbers again.
#[test]
fn a_page_that_starts_over_takes_nothing_back_and_is_fresh_at_its_end() {
    let (mut process, mut vm) = Process::settled();
    process.companion.revoke(session(1));
    process.companion.revoke(session(2));
    vm.learn(&process);
    let known = process.state();
    process.companion.rows.truncate(1);
    process.companion.history = 1;
    process.companion.page_size = 2;
    for number in [3, 4] {
        process.companion.revoke(session(number));
    }
    process.pass(5_000);
    vm.tick(&process);
    assert_eq!(after(vm.asked()).number, process.companion.head());
    vm.get_answer(&process);
    assert!(vm.notes().contains(&Note::StartedOver(3)));
    let half = process.state();
    assert_eq!(
        (half.fresh_at, half.last_iat, half.is_synced),
        (known.fresh_at, known.last_iat, true)
    );
    for (number, is_revoked) in [(1, true), (2, true), (3, true), (4, false)] {
        assert_eq!(
            process.is_revoked(session(number)),
            Ok(is_revoked),
            "{number}"
        );
    }
    vm.learn(&process);
    assert_eq!(process.is_revoked(session(4)), Ok(true));
    assert_eq!(process.is_revoked(session(1)), Ok(true));
    assert_eq!(process.state().last_iat, process.now.wall);
    assert_eq!(process.state().cursor.mark, process.companion.mark(3));
}

/// RV-06: the later end counts, whichever comes last.
#[test]
fn an_entry_that_comes_again_with_an_earlier_end_keeps_the_later() {
    let (mut process, mut vm) = Process::settled();
    let early = (session(1), START.wall);
    process.companion.revoke(session(1));
    vm.learn(&process);
    process.companion.rows.push((3, Some(early)));
    vm.learn(&process);
    process.pass(354_000);
    vm.tick(&process);
    process.pass(5_000);
    vm.settle(&process);
    for _ in 0..256 {
        vm.tick(&process);
    }
    assert_eq!(process.is_revoked(session(1)), Ok(true));
}
