//! The companions' store in memory, as far as feed and gateways go: the facts of `companion::store`, over vectors.

use companion::clock::{Millis, Moment};
use companion::receipt::Revocation;
use companion::store::{Acknowledged, CursorFound, FeedRead, History, RegisteredGateway};
use companion::witness::is_known;
use tests::issuer::digest;
use token::{Cursor, Mark, Page, SessionId, UnixTime};

#[derive(Clone)]
struct Row {
    number: u64,
    mark: Mark,
    entry: Option<(SessionId, UnixTime)>,
}

#[derive(Clone)]
struct GatewayRow {
    gateway: RegisteredGateway,
    written_at: Millis,
}

/// Cloned, it is a backup, or a standby that lags.
#[derive(Clone)]
pub struct Store {
    /// Of what server it is: a connection finds out.
    pub server: u32,
    rows: Vec<Row>,
    /// The number of the last change of the key set.
    pub keys: u64,
    gateways: Vec<GatewayRow>,
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
            server: 0,
            rows: Vec::new(),
            keys: 0,
            gateways: Vec::new(),
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

    /// The newest number.
    pub fn head(&self) -> Cursor {
        self.rows.last().map_or(Cursor::START, |row| Cursor {
            number: row.number,
            mark: Some(row.mark),
        })
    }

    fn append(&mut self, marks: &mut Marks, entry: Option<(SessionId, UnixTime)>) -> u64 {
        let number = self.head().number + 1;
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

    pub fn read(&self, after: Cursor, history: History, now: Moment) -> FeedRead {
        let cursor = if self.is_known(after) {
            CursorFound::Known
        } else {
            CursorFound::RolledBack
        };
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
            history,
            has_rows: !rows.is_empty(),
            revoked: rows.iter().filter_map(|row| row.entry).collect(),
        }
    }

    /// Whether it gave that cursor out.
    pub fn is_known(&self, cursor: Cursor) -> bool {
        let row = self.rows.iter().find(|row| row.number == cursor.number);
        is_known(cursor, row.map(|row| row.mark), self.head())
    }

    /// Registers a gateway: a moment that is stored goes up only. `written_at` is when the statement began.
    pub fn register(&mut self, gateway: RegisteredGateway, written_at: Millis) {
        let known = self.gateways.iter_mut();
        let Some(row) = known.into_iter().find(|row| row.gateway.id == gateway.id) else {
            self.gateways.push(GatewayRow {
                gateway,
                written_at,
            });
            return;
        };
        row.gateway.live_until = row.gateway.live_until.max(gateway.live_until);
        row.written_at = written_at;
    }

    /// Notes what a gateway has acknowledged, by the rule of the schema's `note_acknowledged`.
    pub fn note_acknowledged(&mut self, told: &Acknowledged, now: Millis) {
        let is_known = told.cursor.is_some_and(|cursor| self.is_known(cursor));
        let Some(row) = self
            .gateways
            .iter_mut()
            .find(|row| row.gateway.id == told.gateway)
        else {
            return;
        };
        let number = match told.cursor {
            None => 0,
            Some(cursor) if is_known && cursor.number > row.gateway.acknowledged => cursor.number,
            Some(_) => return,
        };
        row.gateway.acknowledged = number;
        row.written_at = now;
    }

    /// The gateways whose rows were written since.
    pub fn gateways(&self, since: Millis) -> Vec<RegisteredGateway> {
        self.gateways
            .iter()
            .filter(|row| row.written_at >= since)
            .map(|row| row.gateway)
            .collect()
    }

    /// Puts the gateways of another state in place of its own.
    pub fn keep_gateways_of(&mut self, other: &Self) {
        self.gateways.clone_from(&other.gateways);
    }
}
