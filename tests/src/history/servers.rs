//! Servers in memory for the checker's own tests: one that is right, written as a store is and not as the specification, and one for each
//! flaw that the checker must find.

use super::{Call, Reply, State};

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nothing.
    None,
    /// A refresh is judged by what was read earlier, and written without a condition.
    CheckThenAct,
    /// The grace moves the generation again.
    ForkingGrace,
    /// The grace makes another string of the same generation.
    ForkingString,
    /// Grandparents have the grace too.
    Grandparents,
    /// Repeats stretch the grace.
    StretchedGrace,
    /// An old token is denied, and the session lives.
    NoPenalty,
    /// A refresh does not see that the session has ended.
    BlindToTheEnd,
    /// A refresh writes the whole row back, with the end as it was read earlier.
    RowWrittenBack,
    /// A token used again is one more event each time, also once the session has ended.
    AuditedTwice,
    /// A forged token ends the session.
    ForgedEnds,
    /// A refresh whose row has moved since it was read is a failure.
    FailsOnConflict,
    /// Rotations are acknowledged though some are not kept.
    Forgetful,
}

/// The row of a session, with its flaw.
pub(super) struct Server {
    flaw: Flaw,
    /// In milliseconds.
    grace: u64,
    pub(super) row: State,
    /// In milliseconds.
    rotated_at: u64,
    strings: u64,
}

impl Server {
    pub(super) fn new(flaw: Flaw, grace: u64) -> Self {
        Self {
            flaw,
            grace,
            row: State::default(),
            rotated_at: 0,
            strings: 0,
        }
    }

    /// The call at that millisecond; `read` is the row as it was when the call came.
    pub(super) fn answer(&mut self, call: Call, read: State, now: u64) -> Reply {
        match call {
            Call::Forged => {
                self.row.has_ended |= self.flaw == Flaw::ForgedEnds;
                Reply::Denied
            }
            Call::Logout => {
                self.row.has_ended = true;
                Reply::Ended
            }
            Call::Refresh { .. } if self.flaw == Flaw::FailsOnConflict && read != self.row => {
                Reply::Failed(503)
            }
            Call::Refresh { generation } => self.refresh(generation, read, now),
        }
    }

    fn refresh(&mut self, presented: u64, read: State, now: u64) -> Reply {
        let judged = match self.flaw {
            Flaw::CheckThenAct => read,
            _ => self.row,
        };
        let has_ended = match self.flaw {
            Flaw::BlindToTheEnd => false,
            Flaw::RowWrittenBack => read.has_ended,
            _ => judged.has_ended,
        };
        if judged.generation == presented && !has_ended {
            return self.rotate(presented, read, now);
        }
        if has_ended && self.flaw != Flaw::AuditedTwice {
            return Reply::Denied;
        }
        let reach = match self.flaw {
            Flaw::Grandparents => 2,
            _ => 1,
        };
        let is_near = presented < judged.generation && presented + reach >= judged.generation;
        if is_near && now - self.rotated_at < self.grace && !has_ended {
            return self.repeat(judged.generation, now);
        }
        if self.flaw != Flaw::NoPenalty {
            self.row.has_ended = true;
            self.row.reuse_events += 1;
        }
        Reply::Denied
    }

    fn rotate(&mut self, presented: u64, read: State, now: u64) -> Reply {
        let successor = presented + 1;
        if self.flaw == Flaw::Forgetful && successor.is_multiple_of(4) {
            return handed_out(successor, 0);
        }
        if self.flaw == Flaw::RowWrittenBack {
            self.row.has_ended = read.has_ended;
        }
        self.row.generation = successor;
        self.rotated_at = now;
        handed_out(successor, 0)
    }

    fn repeat(&mut self, live: u64, now: u64) -> Reply {
        match self.flaw {
            Flaw::StretchedGrace => self.rotated_at = now,
            Flaw::ForkingString => self.strings += 1,
            Flaw::ForkingGrace => return self.rotate(live, self.row, now),
            _ => {}
        }
        handed_out(live, self.strings)
    }
}

fn handed_out(generation: u64, string: u64) -> Reply {
    Reply::Rotated {
        generation,
        token: format!("lkr_{generation}.{string}"),
    }
}
