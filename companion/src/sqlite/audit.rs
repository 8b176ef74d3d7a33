//! The audit log: each event in the transaction of its change, and only ever appended (AU-04).

use rusqlite::params;
use token::{SessionId, Subject};

use super::writer::Write;
use crate::store::Client;

pub(super) fn append(
    write: &Write<'_>,
    event: &'static str,
    account: Option<Subject>,
    session: Option<SessionId>,
    by: &Client,
) -> rusqlite::Result<()> {
    write
        .db
        .prepare_cached(
            "INSERT INTO audit (at, event, account, session, ip, user_agent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            write.now.0,
            event,
            account.as_ref().map(Subject::as_bytes),
            session.as_ref().map(SessionId::as_bytes),
            by.ip,
            by.user_agent
        ])
        .map(drop)
}
