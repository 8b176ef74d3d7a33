//! The audit log: each event in the transaction of its change, and only ever appended (AU-04).

use token::{SessionId, Subject};

use super::work::Write;
use crate::store::{Client, Outcome};

/// What happened, and to whom. The ends of sessions are written by the schema's `end_sessions`.
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) account: Option<Subject>,
    pub(super) session: Option<SessionId>,
}

pub(super) async fn append(write: &Write<'_>, event: &Event, by: &Client) -> Outcome<()> {
    const APPEND: &str = "
        INSERT INTO audit (at, event, account, session, ip, user_agent, actor, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    write
        .db
        .execute(
            APPEND,
            &[
                &write.now.0,
                &event.name,
                &event.account.as_ref().map(|id| id.as_bytes().as_slice()),
                &event.session.as_ref().map(|id| id.as_bytes().as_slice()),
                &by.ip,
                &by.user_agent,
                &by.actor,
                &by.request_id,
            ],
        )
        .await
        .map(drop)
}
