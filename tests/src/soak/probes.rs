//! Callers who send one token all the time, on several connections of each gateway, while something happens; and what may not be seen.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use companion::clock::{Clock, Millis};
use companion::tokens::rfc3339;

use crate::client::{Answer, Client};
use crate::fault::Fault;
use crate::stack::Stack;
use crate::visitor::Tokens;
use crate::watch::{Stopwatch, wait_for};
use crate::workers::at_both_workers;

/// Between two calls of one caller.
const PAUSE: Duration = Duration::from_millis(4);

/// A call with the token; times since one beginning.
pub(super) struct Probe {
    pub(super) gateway: usize,
    pub(super) sent: Duration,
    pub(super) returned: Duration,
    /// The wall clock when it was sent.
    at: Millis,
    /// `None` where nobody answered.
    pub(super) status: Option<u16>,
}

/// What all callers were answered.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) probes: Vec<Probe>,
    /// What each was answered last, once all was over; nothing of those whom nobody answered.
    pub(super) last: Vec<u16>,
}

/// What the answer to a revocation promises.
pub(super) struct Receipt {
    /// When it came, since the beginning of the probes.
    pub(super) answered: Duration,
    /// 200: at every gateway already.
    pub(super) is_proven: bool,
    effective_by: String,
}

impl Receipt {
    /// The one in this answer.
    ///
    /// # Errors
    /// When it has none.
    pub(super) fn of(answer: &Answer, answered: Duration) -> Result<Self, Fault> {
        let is_proven = answer.status == 200;
        let effective_by = answer.string("/revocation/effective_by");
        if effective_by.is_empty() || !(is_proven || answer.status == 202) {
            return Err(Fault::new(format!(
                "no receipt: {} {}",
                answer.status,
                answer.text()
            )));
        }
        Ok(Self {
            answered,
            is_proven,
            effective_by,
        })
    }

    /// Waits until it is in force by a clock that is so many seconds ahead, and a while longer.
    ///
    /// # Errors
    /// When that is later than after such a time.
    pub(super) fn await_effect(&self, skew: i64, limit: Duration) -> Result<(), Fault> {
        wait_for("the moment of a receipt", limit, || {
            let past = rfc3339(now(skew).minus(Duration::from_secs(1)));
            Ok((past > self.effective_by).then_some(()))
        })
    }
}

/// The time of a clock that is so many seconds ahead of this machine's.
fn now(skew: i64) -> Millis {
    Millis(Clock::system().now().0 + skew * 1_000)
}

/// Callers, at the doors of gateways.
pub(super) struct Callers {
    doors: Vec<(usize, Client)>,
    /// By how many seconds their clock is ahead of this machine's.
    skew: i64,
}

impl Callers {
    /// One at each worker of these gateways; one of a gateway that is yet to come. Nobody else may open connections meanwhile.
    pub(super) fn of(
        stack: &Stack,
        gateways: impl IntoIterator<Item = usize>,
    ) -> Result<Self, Fault> {
        let mut doors = Vec::new();
        for gateway in gateways {
            if stack.gateway(gateway).is_some() {
                let callers = at_both_workers(stack.ports_of(gateway), 1)?;
                doors.extend(callers.into_iter().map(|caller| (gateway, caller.client)));
            } else {
                doors.push((gateway, stack.client_of(gateway)?));
            }
        }
        Ok(Self { doors, skew: 0 })
    }

    /// The same with another clock: that of the companion which says when its receipts are in force.
    pub(super) fn by_a_clock_off_by(self, skew: i64) -> Self {
        Self { skew, ..self }
    }

    /// All of them get in.
    pub(super) fn get_in(&self, tokens: &Tokens) -> Result<(), Fault> {
        self.doors
            .iter()
            .try_for_each(|(_, door)| tokens.call(door)?.expect(200, "a call").map(drop))
    }

    /// All of them are denied for what they are.
    pub(super) fn are_denied(&self, tokens: &Tokens) -> Result<(), Fault> {
        self.doors
            .iter()
            .try_for_each(|(_, door)| tokens.call(door)?.expect(401, "a call").map(drop))
    }

    /// Waits until all of them are.
    pub(super) fn await_denial(&self, tokens: &Tokens, limit: Duration) -> Result<(), Fault> {
        self.doors.iter().try_for_each(|(_, door)| {
            wait_for("a denial", limit, || {
                let answer = tokens.call(door);
                Ok(answer
                    .is_ok_and(|answer| answer.status == 401)
                    .then_some(()))
            })
        })
    }

    /// What `act` gives, and what all callers were answered meanwhile.
    pub(super) fn probe<T>(
        &self,
        tokens: &Tokens,
        watch: Stopwatch,
        act: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<(T, Seen), Fault> {
        let is_over = AtomicBool::new(false);
        let call = |gateway: usize, door: &Client| {
            let mut probes = Vec::new();
            loop {
                // Each is sent once more when it is over.
                let is_last = is_over.load(Ordering::SeqCst);
                let (sent, at) = (watch.elapsed(), now(self.skew));
                let answer = tokens.call(door);
                probes.push(Probe {
                    gateway,
                    sent,
                    returned: watch.elapsed(),
                    at,
                    status: answer.ok().map(|answer| answer.status),
                });
                if is_last {
                    return probes;
                }
                thread::sleep(PAUSE);
            }
        };
        let call = &call;
        thread::scope(|scope| {
            let callers: Vec<_> = self
                .doors
                .iter()
                .map(|(gateway, door)| scope.spawn(move || call(*gateway, door)))
                .collect();
            thread::sleep(PAUSE);
            let acted = act();
            is_over.store(true, Ordering::SeqCst);
            let mut seen = Seen::default();
            for caller in callers {
                let probes = caller.join();
                let mut probes = probes.map_err(|_| Fault::new("a caller panicked"))?;
                seen.last.extend(probes.last().and_then(|last| last.status));
                seen.probes.append(&mut probes);
            }
            Ok((acted?, seen))
        })
    }
}

/// How often somebody got in who was shut out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Breaches {
    /// After a receipt with status 200.
    pub(super) late: usize,
    /// After the `effective_by` of any receipt.
    pub(super) beyond: usize,
    /// At a gateway that had denied before.
    pub(super) again: usize,
}

impl Breaches {
    /// Those among the probes.
    pub(super) fn among(probes: &[Probe], receipt: Option<&Receipt>) -> Self {
        let accepted: Vec<_> = probes
            .iter()
            .filter(|probe| probe.status == Some(200))
            .collect();
        let mut first_denials = BTreeMap::new();
        for denial in probes.iter().filter(|probe| probe.status == Some(401)) {
            let first = first_denials
                .entry(denial.gateway)
                .or_insert(denial.returned);
            *first = denial.returned.min(*first);
        }
        let count = |is: &dyn Fn(&Probe) -> bool| accepted.iter().filter(|probe| is(probe)).count();
        Self {
            late: count(&|probe| {
                receipt.is_some_and(|receipt| receipt.is_proven && probe.sent >= receipt.answered)
            }),
            // The moment of the receipt is a whole second.
            beyond: count(&|probe| {
                let second = rfc3339(probe.at.minus(Duration::from_millis(1)));
                receipt.is_some_and(|receipt| second >= receipt.effective_by)
            }),
            again: count(&|probe| {
                let denied = first_denials.get(&probe.gateway);
                denied.is_some_and(|denied| probe.sent >= *denied)
            }),
        }
    }

    /// No one.
    ///
    /// # Errors
    /// When there is one.
    pub(super) fn must_be_none(self) -> Result<(), Fault> {
        if self == Self::default() {
            Ok(())
        } else {
            Err(Fault::new(format!(
                "a revoked token was accepted: {self:?}"
            )))
        }
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.late += other.late;
        self.beyond += other.beyond;
        self.again += other.again;
    }
}

/// When the last call that got in was sent.
pub(super) fn last_accepted(probes: &[Probe]) -> Option<Duration> {
    let accepted = probes.iter().filter(|probe| probe.status == Some(200));
    accepted.map(|probe| probe.sent).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(gateway: usize, at: u64, status: Option<u16>) -> Probe {
        Probe {
            gateway,
            sent: Duration::from_millis(at),
            returned: Duration::from_millis(at + 5),
            at: Millis(1_800_000_000_000 + i64::try_from(at).unwrap()),
            status,
        }
    }

    /// A receipt that came at 100 ms and is in force at 2 s of the probes' clock.
    fn receipt(is_proven: bool) -> Receipt {
        Receipt {
            answered: Duration::from_millis(100),
            is_proven,
            effective_by: "2027-01-15T08:00:02Z".to_owned(),
        }
    }

    #[test]
    fn who_gets_in_after_a_denial_after_a_receipt_or_after_its_moment_is_counted() {
        let of = |probes: &[Probe], is_proven| Breaches::among(probes, Some(&receipt(is_proven)));
        let before = [probe(0, 90, Some(200)), probe(1, 50, Some(401))];
        assert_eq!(of(&before, true), Breaches::default());
        let late = [probe(0, 100, Some(200))];
        assert_eq!(of(&late, true).late, 1);
        assert_eq!(of(&late, false), Breaches::default());
        assert_eq!(of(&[probe(0, 2_000, Some(200))], false).beyond, 0);
        assert_eq!(of(&[probe(0, 2_001, Some(200))], false).beyond, 1);
        let again = [
            probe(0, 10, Some(401)),
            probe(0, 14, Some(200)),
            probe(0, 15, Some(200)),
            probe(1, 20, Some(200)),
        ];
        assert_eq!(Breaches::among(&again, None).again, 1);
        let stale = [
            probe(0, 10, Some(503)),
            probe(0, 20, None),
            probe(0, 30, Some(200)),
        ];
        assert_eq!(of(&stale, true), Breaches::default());
    }
}
