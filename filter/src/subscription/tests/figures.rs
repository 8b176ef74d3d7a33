//! What an operator sees: figures that go on when the lease holder does not, and events that are told once.

use super::*;

fn age(vm: &mut Vm, process: &Process) -> u64 {
    vm.subscription.gauges(&process.shared, process.now).age
}

/// FR-15: a holder that died leaves no small age standing; any VM tells the true one.
#[test]
fn the_age_grows_although_the_lease_holder_is_gone() {
    let (mut process, mut holder) = Process::settled();
    let mut other = process.vm(2);
    assert_eq!(age(&mut holder, &process), 0);
    drop(holder);
    for seconds in 1..=90 {
        process.pass(1_000);
        assert_eq!(age(&mut other, &process), seconds);
    }
    let gauges = other.subscription.gauges(&process.shared, process.now);
    assert!(gauges.age > gauges.max_staleness);
    assert_eq!((gauges.is_synced, gauges.feed_number), (true, 1));
}

/// FR-15: what is told is what the gate counts, so a page of the past that arrives late does not look fresh.
#[test]
fn the_age_is_the_one_that_denies() {
    let (mut process, mut vm) = Process::settled();
    let (max, skew) = (process.config.max_staleness, process.config.clock_skew);
    for ahead in [0, 29, 31, 89, 90, 91, 500] {
        process.now.wall = START.wall.plus(Duration::from_secs(ahead));
        let is_stale = process.state().staleness(process.now, max, skew).is_stale;
        let gauges = vm.subscription.gauges(&process.shared, process.now);
        assert_eq!(gauges.age > gauges.max_staleness, is_stale, "{ahead}");
    }
}

#[test]
fn a_gate_that_was_never_synced_says_so_and_for_how_long_it_waits() {
    let mut process = Process::new();
    let mut vm = process.vm(1);
    vm.tick(&process);
    let begins = vm.subscription.gauges(&process.shared, process.now);
    assert_eq!((begins.is_synced, begins.age), (false, 0));
    process.pass(7_000);
    let later = vm.subscription.gauges(&process.shared, process.now);
    assert_eq!((later.is_synced, later.age), (false, 7));
}

#[test]
fn of_two_subscriptions_each_figure_is_the_worse_one() {
    let good = Gauges {
        is_synced: true,
        age: 1,
        max_staleness: 60,
        feed_number: 9,
    };
    let bad = Gauges {
        is_synced: false,
        age: 8,
        max_staleness: 5,
        feed_number: 3,
    };
    assert_eq!(good.worst(bad), bad);
    assert_eq!(bad.worst(good), bad);
    let mixed = Gauges {
        is_synced: true,
        age: 0,
        ..bad
    };
    let worst = Gauges {
        is_synced: true,
        age: 1,
        ..bad
    };
    assert_eq!(good.worst(mixed), worst);
}

/// A line for each request that is denied would be a line for each request.
#[test]
fn a_state_that_becomes_too_old_is_told_once_until_it_is_fresh_again() {
    let (mut process, mut vm) = Process::settled();
    let told = |vm: &mut Vm| {
        let notes = vm.notes();
        notes
            .iter()
            .filter(|note| matches!(note, Note::Stale(_)))
            .count()
    };
    for _ in 0..2 {
        let mut count = 0;
        for _ in 0..400 {
            process.pass(250);
            vm.tick(&process);
            count += told(&mut vm);
        }
        assert_eq!(count, 1);
        process.pass(5_000);
        vm.settle(&process);
        process.pass(250);
        vm.tick(&process);
        assert_eq!(told(&mut vm), 0);
    }
}

#[test]
fn a_lease_that_changes_hands_is_told_by_its_new_holder() {
    let (mut process, mut first) = Process::settled();
    let taken = |vm: &mut Vm| {
        vm.notes()
            .iter()
            .filter(|note| **note == Note::LeaseTaken)
            .count()
    };
    first.tick(&process);
    assert_eq!(taken(&mut first), 1);
    process.pass(2_000);
    let mut second = process.vm(2);
    second.tick(&process);
    assert_eq!((taken(&mut first), taken(&mut second)), (0, 1));
}

/// Whichever clock is ahead; from five seconds on a line says so.
#[test]
fn the_difference_of_clocks_is_told_with_every_page() {
    for (ahead, behind) in [(0_u64, 3_u64), (12, 0), (0, 12), (31, 0)] {
        let (process, mut vm) = Process::settled();
        vm.notes();
        let wall = process.now.wall.plus(Duration::from_secs(ahead));
        let wall = wall.minus(Duration::from_secs(behind));
        let reply = process.companion.answer(vm.asked(), wall);
        vm.answer(&process, &reply);
        assert!(vm.notes().contains(&Note::ClocksDiffer(ahead + behind)));
    }
}
