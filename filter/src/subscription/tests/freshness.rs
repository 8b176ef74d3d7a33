//! What proves that nothing was missed, and since when.

use super::*;
use crate::fixture::after;

/// RV-15: a page that was long on its way is as old as its question.
#[test]
fn freshness_counts_from_the_sending_of_the_poll() {
    let (mut process, mut vm) = Process::settled();
    process.pass(9_000);
    vm.tick(&process);
    let sent_at = START.monotonic;
    vm.get_answer(&process);
    assert_eq!(process.state().fresh_at, sent_at);
    assert_eq!(process.state().last_iat, process.now.wall);
}

/// RV-15: the same page, or another one of the same second, proves nothing new.
#[test]
fn a_replayed_page_moves_no_freshness() {
    let (mut process, mut vm) = Process::settled();
    let replayed = process.companion.page(after(vm.asked()), START.wall);
    let replayed = process.companion.sign(&replayed);
    for _ in 0..3 {
        process.pass(9_000);
        vm.tick(&process);
        vm.answer(&process, &replayed);
        assert_eq!(process.state().fresh_at, START.monotonic);
        assert_eq!(process.state().last_iat, START.wall);
    }
    process.pass(250);
    vm.tick(&process);
    vm.get_answer(&process);
    assert!(process.state().fresh_at > START.monotonic);
}

/// RV-15: `iat` only ever rises.
#[test]
fn an_older_page_moves_no_freshness() {
    let (mut process, mut vm) = Process::settled();
    process.pass(9_000);
    vm.tick(&process);
    let page = process
        .companion
        .page(after(vm.asked()), START.wall.minus(Duration::from_secs(5)));
    vm.answer(&process, &process.companion.sign(&page));
    assert_eq!(vm.notes().last(), Some(&Note::PageApplied { entries: 0 }));
    assert_eq!(process.state().last_iat, START.wall);
}

/// RV-15, KR-08: up to `clock_skew` ahead is fine; beyond it the page is refused and the note says by how much.
#[test]
fn a_page_from_the_future_is_refused() {
    let (mut process, mut vm) = Process::settled();
    for (ahead, is_refused) in [(31, true), (30, false)] {
        process.pass(5_000);
        vm.tick(&process);
        let iat = process.now.wall.plus(Duration::from_secs(ahead));
        let before = process.value("state");
        let page = process.companion.page(after(vm.asked()), iat);
        vm.answer(&process, &process.companion.sign(&page));
        if is_refused {
            assert_eq!(vm.notes().last(), Some(&Note::FromTheFuture(31)));
            assert_eq!(process.value("state"), before);
        } else {
            assert_eq!(process.state().last_iat, iat);
        }
    }
}

/// RV-15: a companion whose clock is 30 s behind keeps the gate fresh.
#[test]
fn a_companion_that_is_behind_keeps_the_gate_fresh() {
    let (mut process, _) = Process::settled();
    let mut vm = process.vm(2);
    process.shared.wipe();
    for _ in 0..20 {
        vm.tick(&process);
        while let Some((_, fetch)) = &vm.waits_for {
            let behind = process.now.wall.minus(Duration::from_secs(30));
            let reply = process.companion.answer(fetch, behind);
            vm.answer(&process, &reply);
        }
        let staleness = process.state().staleness(
            process.now,
            process.config.max_staleness,
            process.config.clock_skew,
        );
        assert!(!staleness.is_stale);
        process.pass(10_000);
    }
}
