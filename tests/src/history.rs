//! Concurrent calls on the refresh tokens of one session, and whether what was answered could have come of one call after the other
//! (Herlihy and Wing, 1990). The caller records the calls; nothing here knows a server or a clock.

use std::collections::HashMap;
use std::time::Duration;

mod search;
mod specification;
mod timeline;
mod violation;

#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod every_order;
#[cfg(test)]
mod flaws;
#[cfg(test)]
mod lateness;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod simulation;

pub use search::Linearised;
pub use specification::{Answer, Model, State};
pub use violation::{Rule, Violation};

/// The most calls of one history.
pub const MOST: usize = 64;

/// A call on the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// A refresh token whose MAC holds.
    Refresh {
        /// Its generation.
        generation: u64,
    },
    /// A refresh token whose MAC does not hold.
    Forged,
    /// A logout with a refresh token of the session whose MAC holds, of whichever generation.
    Logout,
}

/// What the caller got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A refresh token.
    Rotated {
        /// Its generation.
        generation: u64,
        /// As it was handed out.
        token: String,
    },
    /// 401.
    Denied,
    /// 200 or 202 to a logout.
    Ended,
    /// None came: the call has happened or not.
    Lost,
    /// Another status, which no conflict excuses; 0 where there was none.
    Failed(u16),
}

/// A call and its reply. Times are microseconds of one monotonic clock; where a test moves the server's clock, it adds as much to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was called.
    pub call: Call,
    /// What came back.
    pub reply: Reply,
    /// Read before the call was sent.
    pub called: u64,
    /// Read after the reply was received. Of a call whose reply was lost: when it can have no effect any more, [`u64::MAX`] where nobody
    /// knows.
    pub returned: u64,
}

impl Record {
    fn is_lost(&self) -> bool {
        self.reply == Reply::Lost
    }
}

/// Judges the calls of one session that has just been opened, all of them, in any order.
///
/// # Errors
/// [`Rule::Length`], [`Rule::NoFailure`], [`Rule::OneToken`] or [`Rule::OneOrder`], the first that is broken.
pub fn check(records: &[Record], grace: Duration) -> Result<Linearised<'_>, Violation> {
    let broken = |rule, what| Err(Violation::new(rule, what, records));
    if records.len() > MOST {
        return broken(Rule::Length, format!("{} calls", records.len()));
    }
    let mut tokens = HashMap::new();
    for (number, record) in records.iter().enumerate() {
        match &record.reply {
            Reply::Failed(status) => {
                return broken(
                    Rule::NoFailure,
                    format!("call {number} was answered {status}"),
                );
            }
            Reply::Rotated { generation, token } => {
                let first = tokens.entry(*generation).or_insert(token);
                if *first != token {
                    return broken(
                        Rule::OneToken,
                        format!("generation {generation} is both {first} and {token}"),
                    );
                }
            }
            Reply::Denied | Reply::Ended | Reply::Lost => {}
        }
    }
    search::linearise(records, grace)
}
