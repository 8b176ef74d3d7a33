//! The audit log: each event in the transaction of its change, and only ever appended (AU-04).

use rusqlite::params;
use token::{SessionId, Subject};

use super::writer::Write;
use crate::store::{Cause, Client};

/// What happened, and to whom.
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) cause: Option<Cause>,
    pub(super) account: Option<Subject>,
    pub(super) session: Option<SessionId>,
}

pub(super) fn append(write: &Write<'_>, event: &Event, by: &Client) -> rusqlite::Result<()> {
    write
        .db
        .prepare_cached(
            "INSERT INTO audit (at, event, cause, account, session, ip, user_agent, actor, request_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            write.now.0,
            event.name,
            event.cause.map(Cause::name),
            event.account.as_ref().map(Subject::as_bytes),
            event.session.as_ref().map(SessionId::as_bytes),
            by.ip,
            by.user_agent,
            by.actor,
            by.request_id
        ])
        .map(drop)
}
