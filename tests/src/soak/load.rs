//! Somebody else, whose session lives: calls at every worker of every gateway on a fixed schedule, so that whoever stalls is seen to stall.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::client::Client;
use crate::fault::Fault;
use crate::stack::Stack;
use crate::visitor::{Tokens, Visitor};
use crate::watch::Stopwatch;
use crate::workers::at_both_workers;

/// An access token lives for five minutes; within the grace all gateways get the same next one.
const RENEWAL: Duration = Duration::from_secs(120);

/// How the load fared.
#[derive(Default)]
pub(super) struct Fared {
    /// From the moment at which a call was due to its 200, in order of length.
    pub(super) took: Vec<Duration>,
    /// Calls with another answer, or none.
    pub(super) refused: usize,
}

impl Fared {
    /// So many of a hundred took no longer.
    pub(super) fn within(&self, share: usize) -> Duration {
        percentile(&self.took, share)
    }

    /// Calls that took longer than that.
    pub(super) fn over(&self, limit: Duration) -> usize {
        self.took.len() - self.took.partition_point(|took| *took <= limit)
    }
}

/// Of a list in order; zero of an empty one.
pub(super) fn percentile(sorted: &[Duration], share: usize) -> Duration {
    let at = (sorted.len() * share / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// Who calls, and where.
pub(super) struct Load {
    doors: Vec<Client>,
    companion: Client,
    tokens: Tokens,
}

impl Load {
    /// Somebody at both workers of all gateways that run. Nobody else may open connections meanwhile.
    pub(super) fn of(stack: &Stack, somebody: &Visitor) -> Result<Self, Fault> {
        let companion = stack.client_of_replica(0)?;
        let mut doors = Vec::new();
        for gateway in (0..stack.gateways()).filter(|number| stack.gateway(*number).is_some()) {
            let callers = at_both_workers(stack.ports_of(gateway), 1)?;
            doors.extend(callers.into_iter().map(|caller| caller.client));
        }
        Ok(Self {
            doors,
            tokens: somebody.login(&companion)?,
            companion,
        })
    }

    /// What `act` gives while each worker is called once in that time.
    pub(super) fn during<T>(
        self,
        every: Duration,
        act: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<(T, Fared), Fault> {
        let is_over = AtomicBool::new(false);
        let call = |door: &Client| self.call_on_schedule(door, every, &is_over);
        let call = &call;
        thread::scope(|scope| {
            let callers: Vec<_> = self
                .doors
                .iter()
                .map(|door| scope.spawn(move || call(door)))
                .collect();
            let acted = act();
            is_over.store(true, Ordering::SeqCst);
            let mut all = Fared::default();
            for caller in callers {
                let fared = caller.join();
                let fared = fared.map_err(|_| Fault::new("a caller panicked"))?;
                all.took.extend(fared.took);
                all.refused += fared.refused;
            }
            all.took.sort_unstable();
            Ok((acted?, all))
        })
    }

    fn call_on_schedule(&self, door: &Client, every: Duration, is_over: &AtomicBool) -> Fared {
        let mut tokens = self.tokens.clone();
        let mut fared = Fared::default();
        let watch = Stopwatch::start();
        let (mut due, mut renewed) = (Duration::ZERO, Duration::ZERO);
        while !is_over.load(Ordering::SeqCst) {
            if due > renewed + RENEWAL {
                renewed = due;
                if let Ok(next) = tokens.refresh(&self.companion) {
                    tokens = next;
                }
                // The companion's time is not the gate's.
                due = watch.elapsed();
            }
            match tokens.call(door) {
                Ok(answer) if answer.status == 200 => fared.took.push(watch.elapsed() - due),
                _ => fared.refused += 1,
            }
            due += every;
            thread::sleep(due.saturating_sub(watch.elapsed()));
        }
        fared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_counts_are_of_the_sorted_list() {
        let took: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let fared = Fared { took, refused: 0 };
        assert_eq!(fared.within(50), Duration::from_millis(101));
        assert_eq!(fared.within(100), Duration::from_millis(200));
        assert_eq!(fared.over(Duration::from_millis(150)), 50);
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
