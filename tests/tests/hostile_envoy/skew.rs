use std::thread;
use std::time::Duration;

use tests::gate::Gate;
use tests::issuer::{issuer, session};
use tests::next_page::page;
use tests::stand_in::{Answer, Asked};
use tests::watch::{Stopwatch, unix_seconds};
use token::UnixTime;

use crate::answers::Callers;
use crate::configuration;

/// What `clock_skew` allows, and a second for the way.
const SKEW: i64 = 29;

/// KR-08: a companion whose clock is ahead or behind by all that is allowed signs tokens and pages that count, for longer than the state
/// may be old.
#[test]
fn a_companion_whose_clock_is_off_by_the_skew_keeps_its_gates_open() {
    thread::scope(|scope| {
        for skew in [SKEW, -SKEW] {
            scope.spawn(move || {
                let now = move || UnixTime::from_seconds(unix_seconds() + skew);
                let mut gate = Gate::start_with(&configuration(), &issuer(), move |call| {
                    match call.asked {
                        // Held for the second that was asked for, as a heartbeat is.
                        Asked::Poll(ref poll) => Answer::After(
                            poll.hold,
                            Box::new(Answer::Page(Box::new(page().at(now().plus(poll.hold))))),
                        ),
                        Asked::Ready | Asked::Keys | Asked::Other => Answer::Right,
                    }
                })
                .unwrap();
                gate.stack.await_ready().unwrap();
                let callers = Callers::at_both_workers(gate.stack.ports());
                let watch = Stopwatch::start();
                while watch.elapsed() < Duration::from_secs(8) {
                    let fresh = issuer().access_token_at(&session("alice"), now());
                    assert_eq!(callers.statuses(&fresh), [200, 200], "{skew} s");
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
    });
}
