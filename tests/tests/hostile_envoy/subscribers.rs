//! How many subscribe, as the companion sees it.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::stand_in::{Call, Poll};

/// How much earlier than it may a poll seems to come, because the two were stamped by different threads.
const JITTER: Duration = Duration::from_millis(100);

/// The gateways that these polls come from.
pub fn gateways(polls: &[(Poll, Call)]) -> BTreeSet<String> {
    polls.iter().map(|(poll, _)| poll.gateway.clone()).collect()
}

/// That each gateway has one subscriber, where nothing was revoked meanwhile: no poll arrives while another one of it is held.
pub fn must_be_single(polls: &[(Poll, Call)]) {
    for gateway in gateways(polls) {
        let mut of_one = polls.iter().filter(|(poll, _)| poll.gateway == gateway);
        let mut last = of_one.next().unwrap();
        for next in of_one {
            let between = last
                .1
                .since
                .elapsed()
                .saturating_sub(next.1.since.elapsed());
            assert!(
                between + JITTER >= last.0.hold,
                "{gateway} polled again after {between:?} of {:?}",
                last.0.hold
            );
            last = next;
        }
    }
}
