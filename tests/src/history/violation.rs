//! What is wrong with a history, in words, with the history.

use std::fmt;

use super::{Record, timeline};

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A history has at most [`super::MOST`] calls.
    Length,
    /// I4: no conflict is answered with a failure.
    NoFailure,
    /// I2: no generation is handed out as two different strings.
    OneToken,
    /// I3, I7, and all else that callers see: the answers could have come of one call after the other.
    OneOrder,
    /// I5: what was acknowledged is in the database.
    Durable,
    /// I1: the generation is the number of rotations.
    Counted,
    /// The session has ended if a call ended it, and only then.
    Ended,
    /// I6: one audit event for each reuse.
    Audited,
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Length => "too many calls to judge",
            Self::NoFailure => "a call has failed (I4)",
            Self::OneToken => "a generation was handed out as two different strings (I2)",
            Self::OneOrder => "no order of the calls explains their answers",
            Self::Durable => "what was acknowledged is not in the database (I5)",
            Self::Counted => "the generation is not the number of rotations (I1)",
            Self::Ended => "the session has ended, or lives, against its calls",
            Self::Audited => "the audit events are not those of the reuses (I6)",
        })
    }
}

/// A broken rule, and what shows it.
#[derive(Clone)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    what: String,
    history: String,
}

impl Violation {
    pub(super) fn new(rule: Rule, what: String, records: &[Record]) -> Self {
        Self {
            rule,
            what,
            history: timeline::of(records),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}\n{}", self.rule, self.what, self.history)
    }
}

/// The words as they are: `unwrap` in a test shows them on lines of their own.
impl fmt::Debug for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl std::error::Error for Violation {}
