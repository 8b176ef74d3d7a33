//! The sequential specification of one session's refresh tokens (RR-02, RR-03, RR-04, RR-15, RR-17): what each call answers, and what it
//! changes.

use std::time::Duration;

use super::{Call, Reply};

/// What the store keeps of a session for its refresh tokens. A session that has just been opened is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State {
    /// The live generation: the number of rotations (I1).
    pub generation: u64,
    /// By a logout, by reuse, or by a token ahead of the store.
    pub has_ended: bool,
    /// The audit events of reuse, and of tokens ahead of the store (I6).
    pub reuse_events: u32,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The generation has moved.
    Rotated {
        /// That of the successor, now live.
        generation: u64,
    },
    /// The direct parent within the grace: nothing has changed, and the successor is the same (I7).
    Repeated {
        /// That of the successor, live as before.
        generation: u64,
    },
    /// Older than that: the session has ended.
    Reused,
    /// Ahead of the store: the session has ended.
    Ahead,
    /// Refused, as the session had ended before (I3).
    Over,
    /// Refused, as the MAC does not hold.
    Refused,
    /// The session has ended, now or before.
    LoggedOut,
}

impl Answer {
    /// Whether the caller sees this as that reply. One that was lost is not seen.
    pub fn is_seen_as(self, reply: &Reply) -> bool {
        match (self, reply) {
            (
                Self::Rotated { generation } | Self::Repeated { generation },
                Reply::Rotated {
                    generation: seen, ..
                },
            ) => generation == *seen,
            (Self::Reused | Self::Ahead | Self::Over | Self::Refused, Reply::Denied)
            | (Self::LoggedOut, Reply::Ended) => true,
            _ => false,
        }
    }
}

impl State {
    /// What the call makes of this state, and its answer. `is_late`: the grace of the last rotation is over.
    pub fn step(self, call: Call, is_late: bool) -> (Self, Answer) {
        let ended = Self {
            has_ended: true,
            ..self
        };
        let reused = Self {
            reuse_events: self.reuse_events + 1,
            ..ended
        };
        let presented = match call {
            Call::Logout => return (ended, Answer::LoggedOut),
            Call::Forged => return (self, Answer::Refused),
            Call::Refresh { .. } if self.has_ended => return (self, Answer::Over),
            Call::Refresh { generation } => generation,
        };
        match self.generation.checked_sub(presented) {
            Some(0) => {
                let generation = self.generation + 1;
                (Self { generation, ..self }, Answer::Rotated { generation })
            }
            Some(1) if !is_late => {
                let generation = self.generation;
                (self, Answer::Repeated { generation })
            }
            Some(_) => (reused, Answer::Reused),
            None => (reused, Answer::Ahead),
        }
    }
}

/// The specification with a clock, to run beside a store.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// What the store must hold.
    pub state: State,
    rotated_at: Duration,
    grace: Duration,
}

impl Model {
    /// A session that has just been opened.
    pub fn new(grace: Duration) -> Self {
        Self {
            state: State::default(),
            rotated_at: Duration::ZERO,
            grace,
        }
    }

    /// After the call at `now`, on a clock that never goes back and counts as finely as the store's; and the answer.
    #[must_use]
    pub fn step(self, call: Call, now: Duration) -> (Self, Answer) {
        let is_late = now.saturating_sub(self.rotated_at) >= self.grace;
        let (state, answer) = self.state.step(call, is_late);
        let rotated_at = match answer {
            Answer::Rotated { .. } => now,
            _ => self.rotated_at,
        };
        let after = Self {
            state,
            rotated_at,
            ..self
        };
        (after, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls at their seconds, with a grace of 10 s; the state at the end.
    fn run(calls: &[(u64, Call, Answer)]) -> State {
        let mut model = Model::new(Duration::from_secs(10));
        for (second, call, expected) in calls {
            let (after, answer) = model.step(*call, Duration::from_secs(*second));
            assert_eq!(answer, *expected, "{call:?} at {second}");
            let changes = !matches!(
                answer,
                Answer::Repeated { .. } | Answer::Over | Answer::Refused
            );
            assert_eq!(after.state != model.state, changes, "{call:?} at {second}");
            model = after;
        }
        model.state
    }

    fn refresh(generation: u64) -> Call {
        Call::Refresh { generation }
    }

    fn rotated(generation: u64) -> Answer {
        Answer::Rotated { generation }
    }

    fn state(generation: u64, has_ended: bool, reuse_events: u32) -> State {
        State {
            generation,
            has_ended,
            reuse_events,
        }
    }

    #[test]
    fn the_parent_has_a_grace_from_the_rotation_and_no_longer() {
        let repeated = Answer::Repeated { generation: 1 };
        let calls = [
            (3, refresh(0), rotated(1)),
            (3, refresh(0), repeated),
            (12, refresh(0), repeated),
            (13, refresh(0), Answer::Reused),
            (13, refresh(1), Answer::Over),
            (13, refresh(0), Answer::Over),
            (13, refresh(9), Answer::Over),
        ];
        assert_eq!(run(&calls), state(1, true, 1));
    }

    #[test]
    fn a_grandparent_has_none() {
        let calls = [
            (1, refresh(0), rotated(1)),
            (1, refresh(1), rotated(2)),
            (1, refresh(0), Answer::Reused),
        ];
        assert_eq!(run(&calls), state(2, true, 1));
    }

    #[test]
    fn a_generation_ahead_of_the_store_ends_the_session() {
        assert_eq!(run(&[(1, refresh(1), Answer::Ahead)]), state(0, true, 1));
    }

    #[test]
    fn a_forged_token_changes_nothing() {
        let calls = [
            (1, Call::Forged, Answer::Refused),
            (1, refresh(0), rotated(1)),
        ];
        assert_eq!(run(&calls), state(1, false, 0));
    }

    #[test]
    fn without_a_grace_the_parent_is_reuse_at_once() {
        let model = Model::new(Duration::ZERO);
        let (model, _) = model.step(refresh(0), Duration::ZERO);
        let (_, answer) = model.step(refresh(0), Duration::ZERO);
        assert_eq!(answer, Answer::Reused);
    }

    #[test]
    fn a_logout_is_no_reuse_and_succeeds_again() {
        let (mut model, _) = Model::new(Duration::ZERO).step(refresh(0), Duration::ZERO);
        for _ in 0..2 {
            let (after, answer) = model.step(Call::Logout, Duration::ZERO);
            assert_eq!(
                (after.state, answer),
                (state(1, true, 0), Answer::LoggedOut)
            );
            model = after;
        }
    }
}
