//! The companion's store in memory, as far as the feed goes: the facts of `companion::store`, over a vector.

use companion::clock::{Millis, Moment};
use companion::receipt::Revocation;
use companion::store::{CursorFound, FeedRead, History};
use tests::issuer::digest;
use token::{Cursor, Mark, Page, SessionId, UnixTime};

#[derive(Clone)]
struct Row {
    number: u64,
    mark: Mark,
    entry: Option<(SessionId, UnixTime)>,
}

/// Cloned, it is a backup.
#[derive(Clone)]
pub struct Store {
    rows: Vec<Row>,
    /// The number of the last change of the key set.
    pub keys: u64,
}

/// Marks are never repeated, in any history: the drawing is kept apart from what a backup holds.
#[derive(Default)]
pub struct Marks(u64);

impl Marks {
    fn draw(&mut self) -> Mark {
        self.0 += 1;
        let digest = digest(&format!("mark {}", self.0));
        Mark::from_bytes(std::array::from_fn(|at| digest[at]))
    }
}

impl Store {
    /// With its first key set.
    pub fn new(marks: &mut Marks) -> Self {
        let mut store = Self {
            rows: Vec::new(),
            keys: 0,
        };
        store.change_keys(marks);
        store
    }

    /// Whether the end of that session is in it.
    pub fn knows(&self, session: SessionId) -> bool {
        self.rows
            .iter()
            .any(|row| row.entry.is_some_and(|(id, _)| id == session))
    }

    fn head(&self) -> u64 {
        self.rows.last().map_or(0, |row| row.number)
    }

    fn append(&mut self, marks: &mut Marks, entry: Option<(SessionId, UnixTime)>) -> u64 {
        let number = self.head() + 1;
        self.rows.push(Row {
            number,
            mark: marks.draw(),
            entry,
        });
        number
    }

    pub fn change_keys(&mut self, marks: &mut Marks) {
        self.keys = self.append(marks, None);
    }

    /// Commits the end of a session.
    pub fn revoke(
        &mut self,
        marks: &mut Marks,
        session: SessionId,
        exp: UnixTime,
        now: Millis,
    ) -> Revocation {
        let number = self.append(marks, Some((session, exp)));
        Revocation {
            number,
            mark: self.rows[self.rows.len() - 1].mark,
            sessions: 1,
            latest_exp: exp,
            committed_at: now,
        }
    }

    pub fn read(&self, after: Cursor, now: Moment) -> FeedRead {
        let cursor = self.find(after);
        let start = if cursor == CursorFound::Known {
            after
        } else {
            Cursor::START
        };
        let beyond: Vec<_> = self
            .rows
            .iter()
            .filter(|row| row.number > start.number)
            .collect();
        // A page of few entries: full passes of several pages, with everything that can happen between them.
        let rows = &beyond[..beyond.len().min(Page::MAX_ENTRIES.min(3))];
        FeedRead {
            at: now.wall,
            cursor,
            seq: rows.last().map_or(start.number, |row| row.number),
            mark: rows.last().map_or(start.mark, |row| Some(row.mark)),
            more: beyond.len() > rows.len(),
            keys: self.keys,
            history: History::default(),
            has_rows: !rows.is_empty(),
            revoked: rows.iter().filter_map(|row| row.entry).collect(),
        }
    }

    fn find(&self, cursor: Cursor) -> CursorFound {
        let Some(mark) = cursor.mark else {
            return CursorFound::Known;
        };
        let row = self.rows.iter().find(|row| row.number == cursor.number);
        if row.is_some_and(|row| row.mark == mark) {
            CursorFound::Known
        } else {
            CursorFound::RolledBack
        }
    }
}
