//! Moving an embedded store to PostgreSQL: all of it in one transaction there, counted before it is committed. Which tables and columns
//! there are is said here; each store knows how to read or write them.
//!
//! An interruption leaves either nothing there or everything; the same command run again finds out which, and finishes.

use std::fmt;
use std::path::Path;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::postgres::{Arrival, Options};
use crate::sqlite::Departure;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number or a moment.
    Int,
    /// 0 or 1 in SQLite.
    Bool,
    /// Text.
    Text,
    /// An id, a mark, a digest, a sealed key.
    Bytes,
}

use Kind::{Bool, Bytes, Int, Text};

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Nothing,
    /// Of [`Kind::Int`] and [`Kind::Bool`].
    Int(i64),
    /// Of [`Kind::Text`].
    Text(String),
    /// Of [`Kind::Bytes`].
    Bytes(Vec<u8>),
}

/// A table, the same in both stores.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [(&'static str, Kind)],
    /// Whether it lies in the second file of the embedded store.
    pub is_throttle: bool,
    /// Whether its `id` is drawn from a sequence.
    pub is_numbered: bool,
}

const fn table(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Table {
    Table {
        name,
        columns,
        is_throttle: false,
        is_numbered: false,
    }
}

const fn numbered(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Table {
    Table {
        is_numbered: true,
        ..table(name, columns)
    }
}

const fn throttle(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Table {
    Table {
        is_throttle: true,
        ..table(name, columns)
    }
}

const GATEWAYS: &[(&str, Kind)] = &[("id", Bytes), ("staleness", Int), ("live_until", Int)];

/// All that is kept, each table after those that it refers to. The gateways lie in both files.
pub static TABLES: [Table; 18] = [
    table("meta", &[("name", Text), ("value", Bytes)]),
    table(
        "accounts",
        &[
            ("id", Bytes),
            ("email", Text),
            ("password_hash", Text),
            ("login_epoch", Int),
            ("is_active", Bool),
            ("roles", Text),
            ("created_at", Int),
            ("deleted_at", Int),
        ],
    ),
    table(
        "sessions",
        &[
            ("id", Bytes),
            ("account", Bytes),
            ("generation", Int),
            ("rotated_at", Int),
            ("mac_key_version", Int),
            ("latest_exp", Int),
            ("auth_time", Int),
            ("acr", Text),
            ("amr", Text),
            ("created_at", Int),
            ("last_seen_at", Int),
            ("idle_deadline", Int),
            ("absolute_deadline", Int),
            ("ended_at", Int),
            ("receipt", Int),
            ("ip", Text),
            ("user_agent", Text),
            ("label", Text),
            ("delivery", Text),
            ("step_acr", Text),
            ("step_auth_time", Int),
        ],
    ),
    table(
        "feed",
        &[
            ("number", Int),
            ("mark", Bytes),
            ("session", Bytes),
            ("exp", Int),
            ("at", Int),
        ],
    ),
    table(
        "feed_head",
        &[("number", Int), ("mark", Bytes), ("keys", Int)],
    ),
    table(
        "receipts",
        &[
            ("number", Int),
            ("mark", Bytes),
            ("sessions", Int),
            ("latest_exp", Int),
            ("at", Int),
        ],
    ),
    table("gateways", GATEWAYS),
    throttle("gateways", GATEWAYS),
    table(
        "signing_keys",
        &[
            ("kid", Text),
            ("purpose", Text),
            ("algorithm", Text),
            ("sealed", Bytes),
            ("created_at", Int),
            ("signs_from", Int),
        ],
    ),
    table(
        "challenges",
        &[
            ("id", Bytes),
            ("purpose", Text),
            ("email", Text),
            ("password_hash", Text),
            ("code_mac", Bytes),
            ("attempts", Int),
            ("expires_at", Int),
            ("mailed_at", Int),
            ("used_at", Int),
            ("created_at", Int),
            ("account", Bytes),
            ("session", Bytes),
            ("long_code_mac", Bytes),
            ("new_email", Text),
            ("login_epoch", Int),
            ("delivery", Text),
            ("label", Text),
        ],
    ),
    numbered(
        "attempts",
        &[
            ("id", Int),
            ("email", Text),
            ("purpose", Text),
            ("at", Int),
            ("account", Bytes),
        ],
    ),
    numbered(
        "outbox",
        &[
            ("id", Int),
            ("errand", Text),
            ("email", Text),
            ("account", Bytes),
            ("challenge", Bytes),
            ("password_hash", Text),
            ("expires_at", Int),
            ("tries", Int),
            ("due_at", Int),
            ("created_at", Int),
            ("session", Bytes),
            ("new_email", Text),
            ("dead_at", Int),
            ("last_error", Text),
        ],
    ),
    table(
        "mails_sent",
        &[("email", Text), ("mail", Text), ("at", Int)],
    ),
    numbered(
        "audit",
        &[
            ("id", Int),
            ("at", Int),
            ("event", Text),
            ("cause", Text),
            ("account", Bytes),
            ("session", Bytes),
            ("ip", Text),
            ("user_agent", Text),
            ("actor", Text),
            ("request_id", Text),
        ],
    ),
    table(
        "totp",
        &[
            ("account", Bytes),
            ("is_confirmed", Bool),
            ("sealed", Bytes),
            ("last_step", Int),
            ("created_at", Int),
        ],
    ),
    table(
        "recovery_codes",
        &[("account", Bytes), ("mac", Bytes), ("used_at", Int)],
    ),
    throttle("buckets", &[("name", Bytes), ("full_at", Int)]),
    throttle(
        "failures",
        &[
            ("name", Bytes),
            ("count", Int),
            ("last_at", Int),
            ("in_a_row", Int),
        ],
    ),
];

/// The name under which both stores note the move.
pub const MOVE: &str = "move";

/// Why a store was not moved. The embedded one is what it was, unless the text says otherwise.
#[derive(Debug)]
pub struct MoveError(String);

impl MoveError {
    /// For the operator; holds no secret.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MoveError {}

/// What a move came to.
pub enum Moved {
    /// So many rows of each table.
    Now(Vec<(&'static str, u64)>),
    /// Everything was there already: an earlier run was interrupted after its commit.
    Before,
}

/// Some rows of a table.
pub struct Chunk {
    /// Of which.
    pub table: &'static Table,
    /// Each with a value for each column.
    pub rows: Vec<Vec<Value>>,
}

/// How many rows a chunk has, at most.
pub const CHUNK: usize = 1_000;
/// How many chunks wait to be written, at most.
const AHEAD: usize = 4;

/// Moves the embedded store in `folder`; no companion may run on it. Afterwards it cannot be opened any more.
///
/// # Errors
/// [`MoveError`].
pub async fn to_postgres(folder: &Path, to: Options, clock: Clock) -> Result<Moved, MoveError> {
    let departure = Departure::begin(folder).map_err(MoveError::new)?;
    let id = departure.id().map_err(MoveError::new)?;
    let mut arrival = Arrival::begin(&to).await?;
    if arrival.is_complete(&id).await? {
        departure.close(&id).map_err(MoveError::new)?;
        return Ok(Moved::Before);
    }
    let (send, mut chunks) = mpsc::channel(AHEAD);
    let reading = tokio::task::spawn_blocking(move || departure.read(&send).map(|()| departure));
    while let Some(chunk) = chunks.recv().await {
        arrival.add(&chunk, clock.now()).await?;
    }
    let departure = reading
        .await
        .map_err(MoveError::new)?
        .map_err(MoveError::new)?;
    let counts = departure.counts().map_err(MoveError::new)?;
    arrival.verify(&counts).await?;
    // From here until the answer nobody knows which store is the one: the embedded one stays closed until another run finds out.
    departure.close(&id).map_err(MoveError::new)?;
    match arrival.commit(&id).await {
        Ok(()) => Ok(Moved::Now(counts)),
        Err(error) => Err(MoveError::new(format_args!(
            "{error}; whether the move was committed is not known, and until it is the embedded store stays closed: run the same command again"
        ))),
    }
}
