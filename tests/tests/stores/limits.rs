//! Limits: buckets, and failures in a row.

use std::time::Duration;

use companion::store::Name;
use companion::throttle::{Closed, Failures, Limit, UsedUp};

use crate::bench::Bench;
use crate::{DAY, HOUR, SECOND, TICK};

const ONE: Name = [1; 16];
const TWO: Name = [2; 16];
/// Failures in a row, where a case is about something else.
const MANY: u32 = 10_000;
/// Three at once, then one in ten seconds.
const THREE: Limit = Limit::new(3, 1, Duration::from_secs(10));

async fn take(bench: &Bench, limits: &[(Name, Limit)]) -> Option<Duration> {
    let used_up = bench.store.take(limits.to_vec()).await.unwrap();
    used_up.map(|used_up| used_up.wait)
}

/// How many can be taken at this moment.
async fn left(bench: &Bench, name: Name, limit: Limit) -> u32 {
    let mut count = 0;
    while take(bench, &[(name, limit)]).await.is_none() {
        count += 1;
    }
    count
}

/// For how long an attempt is refused.
async fn attempt(bench: &Bench, name: Name) -> Option<Duration> {
    match bench.other.reserve_attempt(name, MANY).await.unwrap() {
        None => None,
        Some(Closed::For(wait)) => Some(wait),
        Some(Closed::UntilRecovery) => panic!("closed for good"),
    }
}

/// So many attempts that are not refused.
async fn fail(bench: &Bench, name: Name, times: usize) {
    for number in 0..times {
        assert_eq!(attempt(bench, name).await, None, "{number}");
    }
}

pub async fn a_bucket_gives_its_burst_to_both_handles_together(bench: &Bench) {
    for number in 0..3 {
        let limits = vec![(ONE, THREE)];
        let used_up = bench.handle(number).take(limits).await.unwrap();
        assert_eq!(used_up, None);
    }
    // A refusal takes nothing: the wait gets no longer.
    for number in 0..4 {
        let limits = vec![(ONE, THREE)];
        let used_up = bench.handle(number).take(limits).await.unwrap();
        let (limit, wait) = (THREE, 10 * SECOND);
        assert_eq!(used_up, Some(UsedUp { limit, at: 0, wait }));
    }
    assert_eq!(left(bench, TWO, THREE).await, 3);
}

pub async fn a_bucket_fills_with_time(bench: &Bench) {
    assert_eq!(left(bench, ONE, THREE).await, 3);
    bench.clock.advance(10 * SECOND - TICK);
    assert_eq!(take(bench, &[(ONE, THREE)]).await, Some(TICK));
    bench.clock.advance(TICK);
    assert_eq!(left(bench, ONE, THREE).await, 1);
    bench.clock.advance(20 * SECOND);
    assert_eq!(left(bench, ONE, THREE).await, 2);
    // Never beyond its burst.
    bench.clock.advance(HOUR);
    assert_eq!(left(bench, ONE, THREE).await, 3);
}

/// The limits that are given by the day refill every few microseconds.
pub async fn a_bucket_is_counted_finer_than_the_clock(bench: &Bench) {
    let limit = Limit::new(2, 4_000, SECOND);
    assert_eq!(left(bench, ONE, limit).await, 2);
    let wait = take(bench, &[(ONE, limit)]).await;
    assert_eq!(wait, Some(Duration::from_micros(250)));
    bench.clock.advance(TICK);
    assert_eq!(left(bench, ONE, limit).await, 2);
}

/// Else whoever is refused outside would use up, inside, what is another's.
pub async fn a_refused_outer_bucket_draws_nothing_from_the_inner(bench: &Bench) {
    let outer = (ONE, Limit::new(1, 1, HOUR));
    let inner = (TWO, THREE);
    assert_eq!(take(bench, &[outer, inner]).await, None);
    for _ in 0..5 {
        assert_eq!(take(bench, &[outer, inner]).await, Some(HOUR));
    }
    assert_eq!(left(bench, TWO, THREE).await, 2);
}

pub async fn a_refused_inner_bucket_has_drawn_from_the_outer(bench: &Bench) {
    let outer = (ONE, THREE);
    let inner = (TWO, Limit::new(1, 1, HOUR));
    assert_eq!(take(bench, &[outer, inner]).await, None);
    assert_eq!(take(bench, &[outer, inner]).await, Some(HOUR));
    assert_eq!(take(bench, &[outer, inner]).await, Some(HOUR));
    assert_eq!(take(bench, &[outer, inner]).await, Some(10 * SECOND));
}

pub async fn no_limit_refuses_nobody(bench: &Bench) {
    assert_eq!(take(bench, &[]).await, None);
}

/// RL-01: five are free of a wait, then it doubles; attempts that are refused do not lengthen it.
pub async fn from_the_fifth_failure_on_each_attempt_has_to_wait(bench: &Bench) {
    fail(bench, ONE, 5).await;
    for wait in [1, 2, 4, 8] {
        let wait = wait * SECOND;
        assert_eq!(attempt(bench, ONE).await, Some(wait));
        bench.clock.advance(wait - TICK);
        assert_eq!(attempt(bench, ONE).await, Some(TICK));
        bench.clock.advance(TICK);
        assert_eq!(attempt(bench, ONE).await, None);
    }
    assert_eq!(attempt(bench, TWO).await, None);
}

pub async fn an_attempt_that_came_to_nothing_is_taken_back(bench: &Bench) {
    // Never below none.
    bench.store.take_back_attempt(ONE).await.unwrap();
    fail(bench, ONE, 1).await;
    bench.store.take_back_attempt(ONE).await.unwrap();
    bench.store.take_back_attempt(ONE).await.unwrap();
    fail(bench, ONE, 5).await;
    fail(bench, TWO, 5).await;
    bench.store.take_back_attempt(ONE).await.unwrap();
    fail(bench, ONE, 1).await;
    assert_eq!(attempt(bench, ONE).await, Some(SECOND));
    assert_eq!(attempt(bench, TWO).await, Some(SECOND));
}

pub async fn a_success_forgets_the_failures(bench: &Bench) {
    bench.store.forget_failures(ONE).await.unwrap();
    fail(bench, ONE, 5).await;
    fail(bench, TWO, 5).await;
    bench.store.forget_failures(ONE).await.unwrap();
    fail(bench, ONE, 5).await;
    assert_eq!(attempt(bench, ONE).await, Some(SECOND));
    assert_eq!(attempt(bench, TWO).await, Some(SECOND));
}

pub async fn failures_are_forgotten_after_a_quiet_while(bench: &Bench) {
    fail(bench, ONE, 5).await;
    bench.clock.advance(Failures::FORGOTTEN_AFTER - TICK);
    fail(bench, ONE, 1).await;
    assert_eq!(attempt(bench, ONE).await, Some(2 * SECOND));
    bench.clock.advance(Failures::FORGOTTEN_AFTER);
    fail(bench, ONE, 5).await;
}

/// RL-01: quiet whiles open it to one attempt more each, up to the most in a row; then it is closed, whatever time passes.
pub async fn after_the_most_failures_in_a_row_there_is_no_attempt(bench: &Bench) {
    let reserve = async |most| bench.store.reserve_attempt(ONE, most).await.unwrap();
    for _ in 0..10 {
        assert_eq!(reserve(10).await, None);
        bench.clock.advance(Failures::FORGOTTEN_AFTER);
    }
    assert_eq!(reserve(10).await, Some(Closed::UntilRecovery));
    assert_eq!(attempt(bench, TWO).await, None);
    // An attempt that came to nothing was none.
    bench.store.take_back_attempt(ONE).await.unwrap();
    assert_eq!(reserve(10).await, None);
    bench.clock.advance(30 * DAY);
    assert_eq!(reserve(10).await, Some(Closed::UntilRecovery));
    bench.store.forget_failures(ONE).await.unwrap();
    assert_eq!(reserve(10).await, None);
}

/// D5: a clock that is set back by a day gives nothing, and takes no more than a limit gives in its time: it would be a day otherwise.
pub async fn after_a_clock_was_set_back_a_bucket_fills_again(bench: &Bench) {
    assert_eq!(left(bench, ONE, THREE).await, 3);
    bench.clock.set(bench.clock.now().minus(DAY));
    assert_eq!(take(bench, &[(ONE, THREE)]).await, Some(10 * SECOND));
    bench.clock.advance(10 * SECOND - TICK);
    assert_eq!(take(bench, &[(ONE, THREE)]).await, Some(TICK));
    bench.clock.advance(TICK);
    assert_eq!(left(bench, ONE, THREE).await, 1);
    bench.clock.advance(DAY);
    assert_eq!(left(bench, ONE, THREE).await, 3);
}

/// D5, RL-03: the same of the delay after failures.
pub async fn after_a_clock_was_set_back_the_delay_is_what_it_was(bench: &Bench) {
    fail(bench, ONE, 5).await;
    bench.clock.set(bench.clock.now().minus(DAY));
    assert_eq!(attempt(bench, ONE).await, Some(SECOND));
    bench.clock.advance(SECOND - TICK);
    assert_eq!(attempt(bench, ONE).await, Some(TICK));
    bench.clock.advance(TICK);
    assert_eq!(attempt(bench, ONE).await, None);
    assert_eq!(attempt(bench, ONE).await, Some(2 * SECOND));
}

/// RL-09: a failure is kept for a day, ten of them for ten days; who waits for that makes one guess a day.
pub async fn failures_in_a_row_outlive_a_pruning_by_a_day_for_each(bench: &Bench) {
    fail(bench, ONE, 1).await;
    for _ in 0..10 {
        bench.clock.advance(Failures::FORGOTTEN_AFTER);
        fail(bench, TWO, 1).await;
    }
    bench.clock.advance(DAY);
    bench.store.prune().await.unwrap();
    let reserve = async |name, most| bench.store.reserve_attempt(name, most).await.unwrap();
    assert_eq!(reserve(ONE, 1).await, None);
    bench.clock.advance(9 * DAY - TICK);
    bench.store.prune().await.unwrap();
    assert_eq!(reserve(TWO, 10).await, Some(Closed::UntilRecovery));
    bench.clock.advance(TICK);
    bench.store.prune().await.unwrap();
    assert_eq!(reserve(TWO, 1).await, None);
}
