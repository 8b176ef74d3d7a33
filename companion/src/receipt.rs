//! When a revocation is in force everywhere: the rule behind the status of a receipt (design section 4, "Receipt").

use std::time::Duration;

use token::{GatewayId, Mark, UnixTime};

use crate::clock::{Millis, Moment};

/// The companion serves an entry until the latest `exp` plus this.
pub const SERVED_AFTER_EXP: Duration = Duration::from_secs(120);

/// A registered gateway, as far as a receipt cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Which one.
    pub id: GatewayId,
    /// The last number that it acknowledged.
    pub acknowledged: u64,
    /// After how long without a page it denies; `None` for one that never does.
    pub staleness: Option<Duration>,
    /// From then on it denies everything, unless it polls again; by the steady clock.
    pub live_until: Millis,
}

/// A committed revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Its feed number, of several the highest.
    pub number: u64,
    /// The mark of that number.
    pub mark: Mark,
    /// How many sessions it ended.
    pub sessions: u64,
    /// The latest `exp` of their access tokens.
    pub latest_exp: UnixTime,
    /// When it was committed.
    pub committed_at: Millis,
}

/// How far a revocation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Gateways that could accept a token.
    pub live: usize,
    /// Those among them that have acknowledged the number.
    pub applied: usize,
    /// When no gateway accepts the token any more, at the latest.
    pub effective_by: Millis,
    /// How long until a missing gateway stops being live.
    pub next_silence: Option<Duration>,
}

impl Progress {
    /// Whether no gateway can accept the token any more.
    pub const fn is_complete(&self) -> bool {
        self.live == self.applied
    }
}

/// Judges a revocation by the gateways that are registered *after* its commit.
pub fn progress(revocation: &Revocation, gateways: &[Gateway], now: Moment) -> Progress {
    let is_live = |gateway: &&Gateway| gateway.live_until >= now.steady;
    let is_missing = |gateway: &&Gateway| gateway.acknowledged < revocation.number;
    let live = gateways.iter().filter(is_live).count();
    let missing: Vec<_> = gateways.iter().filter(is_live).filter(is_missing).collect();
    let latest = Millis::from_seconds(revocation.latest_exp).plus(SERVED_AFTER_EXP);
    let effective_by = match missing
        .iter()
        .map(|gateway| gateway.staleness)
        .collect::<Option<Vec<_>>>()
    {
        Some(staleness) => match staleness.into_iter().max() {
            None => now.wall,
            Some(longest) => revocation
                .committed_at
                .plus(longest)
                .min(latest.max(now.wall)),
        },
        None => latest.max(now.wall),
    };
    Progress {
        live,
        applied: live - missing.len(),
        effective_by,
        next_silence: missing
            .iter()
            .map(|gateway| gateway.live_until.since(now.steady))
            .min(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);
    const MOMENT: Moment = Moment {
        wall: NOW,
        steady: NOW,
    };

    fn gateway(acknowledged: u64, staleness: Option<u64>, live_for: i64) -> Gateway {
        Gateway {
            id: GatewayId::from_bytes([1; 16]),
            acknowledged,
            staleness: staleness.map(Duration::from_secs),
            live_until: Millis(NOW.0 + live_for),
        }
    }

    fn revocation() -> Revocation {
        Revocation {
            number: 7,
            mark: Mark::from_bytes([1; 8]),
            sessions: 1,
            latest_exp: UnixTime::from_seconds(1_300),
            committed_at: NOW,
        }
    }

    #[test]
    fn a_receipt_is_complete_when_each_gateway_has_acknowledged_or_fallen_silent() {
        let complete =
            |gateways: &[Gateway]| progress(&revocation(), gateways, MOMENT).is_complete();
        assert!(complete(&[]));
        assert!(complete(&[
            gateway(7, Some(60), 1),
            gateway(9, None, 1),
            gateway(0, Some(60), -1)
        ]));
        assert!(!complete(&[
            gateway(7, Some(60), 1),
            gateway(6, Some(60), 0)
        ]));
        assert!(!complete(&[gateway(0, None, 1)]));
    }

    #[test]
    fn effective_by_is_the_longest_staleness_of_those_missing_but_never_beyond_the_tokens() {
        let by =
            |gateways: &[Gateway]| progress(&revocation(), gateways, MOMENT).effective_by.0 - NOW.0;
        assert_eq!(by(&[gateway(7, Some(60), 1)]), 0);
        assert_eq!(
            by(&[
                gateway(7, Some(600), 1),
                gateway(1, Some(60), 1),
                gateway(2, Some(30), 1)
            ]),
            60_000
        );
        assert_eq!(by(&[gateway(1, Some(3_600), 1)]), 420_000);
        assert_eq!(by(&[gateway(1, None, 1), gateway(1, Some(5), 1)]), 420_000);
    }
}
