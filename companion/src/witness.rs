//! Which history of the store this companion sees. A database that was put back to an older copy hands out numbers again; the marks
//! tell. What was learned before says nothing afterwards.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use token::{Cursor, Mark, UnixTime};

use crate::clock::{Clock, Millis};
use crate::store::History;

/// What an earlier history may have allowed that this one does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// All that is lost happened before.
    pub before: Millis,
    /// The last `exp` of the access tokens that were signed until then.
    pub last_exp: UnixTime,
}

/// The newest that was seen of the feed, and of which server.
pub struct Witness {
    seen: Mutex<Seen>,
    clock: Clock,
    longest_token: Duration,
}

struct Seen {
    history: History,
    newest: Cursor,
    server: Option<String>,
    lost: Lost,
}

/// What a read must be asked for.
#[derive(Clone, Copy)]
pub struct Testimony {
    history: History,
    /// Whether the store still knows this is to be found out.
    pub newest: Cursor,
}

impl Testimony {
    /// Under which it was asked.
    pub const fn history(self) -> History {
        self.history
    }
}

impl Witness {
    /// Nothing seen yet. All that was opened before now may have been lost in part.
    pub fn new(clock: Clock, longest_token: Duration) -> Self {
        let lost = lost_until(clock.now(), longest_token);
        Self {
            seen: Mutex::new(Seen {
                history: History::default(),
                newest: Cursor::START,
                server: None,
                lost,
            }),
            clock,
            longest_token,
        }
    }

    /// A connection was made to that server. Another one than before: what the former committed last may be missing.
    pub fn met(&self, server: &str) {
        let mut seen = self.lock();
        match &seen.server {
            Some(before) if before == server => {}
            Some(before) => {
                tracing::error!(
                    before,
                    now = server,
                    "the database is another server or has another timeline: a standby was promoted, or a backup restored"
                );
                seen.server = Some(server.to_owned());
                self.begin(&mut seen);
            }
            None => seen.server = Some(server.to_owned()),
        }
    }

    /// The database's clock was set: what was noted in its time is not to be relied on.
    pub fn clock_was_set(&self) {
        self.begin(&mut self.lock());
    }

    /// Before a read.
    pub fn ask(&self) -> Testimony {
        let seen = self.lock();
        Testimony {
            history: seen.history,
            newest: seen.newest,
        }
    }

    /// After the read: whether the store knew the testimony's cursor, and what the head was. Gives the history that was read.
    pub fn tell(&self, asked: Testimony, is_known: bool, head: Cursor) -> History {
        let mut seen = self.lock();
        if seen.history != asked.history {
            // Found out meanwhile by another read; whether this one saw the old or the new is not known.
            return asked.history;
        }
        if !is_known {
            tracing::error!(
                cursor = asked.newest.number,
                head = head.number,
                "the store does not know its own newest number any more: it was put back to an older copy, unless the feed was reset just now"
            );
            self.begin(&mut seen);
            seen.newest = head;
        } else if head.number >= seen.newest.number {
            seen.newest = head;
        }
        seen.history
    }

    /// What the present history may not know.
    pub fn lost(&self) -> Lost {
        self.lock().lost
    }

    fn begin(&self, seen: &mut Seen) {
        seen.history = History(seen.history.0 + 1);
        seen.newest = Cursor::START;
        seen.lost = lost_until(self.clock.now(), self.longest_token);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost_until(now: Millis, longest_token: Duration) -> Lost {
    Lost {
        before: now,
        last_exp: now.seconds().plus(longest_token),
    }
}

/// Whether a row's mark, or that of the head, is the one of the cursor. The cursor at the very start is always known.
pub fn is_known(cursor: Cursor, row: Option<Mark>, head: Cursor) -> bool {
    let Some(wanted) = cursor.mark else {
        return true;
    };
    let of_head = if head.number == cursor.number {
        head.mark
    } else {
        None
    };
    row.or(of_head) == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64, history: u8) -> Cursor {
        Cursor {
            number,
            mark: Some(Mark::from_bytes([history; 8])),
        }
    }

    fn witness() -> Witness {
        let clock = Clock::settable(UnixTime::from_seconds(1_000));
        Witness::new(clock, Duration::from_secs(300))
    }

    #[test]
    fn a_store_that_forgot_its_newest_number_begins_another_history() {
        let witness = witness();
        assert_eq!(witness.tell(witness.ask(), true, at(7, 1)), History(0));
        let late = witness.ask();
        assert_eq!(late.newest, at(7, 1));
        assert_eq!(witness.tell(witness.ask(), false, at(5, 2)), History(1));
        // A read that began before tells of what it was asked under.
        assert_eq!(witness.tell(late, true, at(7, 1)), History(0));
        assert_eq!(witness.ask().newest, at(5, 2));
        // An older head, read beside a newer one, takes nothing back.
        let early = witness.ask();
        assert_eq!(witness.tell(witness.ask(), true, at(9, 2)), History(1));
        assert_eq!(witness.tell(early, true, at(6, 2)), History(1));
        assert_eq!(witness.ask().newest, at(9, 2));
    }

    #[test]
    fn another_server_begins_another_history_and_may_have_lost_refreshes() {
        let witness = witness();
        witness.met("1/00000001");
        witness.met("1/00000001");
        assert_eq!(witness.ask().history, History(0));
        witness.clock.advance(Duration::from_secs(50));
        witness.met("1/00000002");
        assert_eq!(witness.ask().history, History(1));
        assert_eq!(
            witness.lost().last_exp,
            UnixTime::from_seconds(1_000 + 50 + 300)
        );
    }

    #[test]
    fn a_cursor_is_known_by_its_row_or_by_the_head() {
        let mark = |cursor: Cursor| cursor.mark;
        assert!(is_known(Cursor::START, None, at(9, 1)));
        assert!(is_known(at(7, 1), mark(at(7, 1)), at(9, 1)));
        assert!(is_known(at(9, 1), None, at(9, 1)));
        assert!(!is_known(at(7, 1), mark(at(7, 2)), at(9, 1)));
        assert!(!is_known(at(7, 1), None, at(9, 1)));
        assert!(!is_known(at(9, 1), None, at(9, 2)));
    }
}
