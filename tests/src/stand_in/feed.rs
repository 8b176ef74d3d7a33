//! The numbered rows of the stand-in's feed.

use std::time::Duration;

use token::{Cursor, Page, SessionId, UnixTime};

use crate::issuer::Issuer;
use crate::next_page::{NextPage, mark};
use crate::watch::unix_seconds;

/// How long the tokens of a session live after its end.
const LIFETIME: Duration = Duration::from_secs(300);

/// Keys and ended sessions, numbered from 1. A change of keys is a row without a session.
pub(super) struct Feed {
    issuer: Issuer,
    rows: Vec<Option<(SessionId, UnixTime)>>,
}

impl Feed {
    pub(super) fn of(issuer: &Issuer) -> Self {
        Self {
            issuer: issuer.clone(),
            rows: vec![None],
        }
    }

    pub(super) fn head(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn revoke(&mut self, session: SessionId) -> u64 {
        self.rows.push(Some((session, now().plus(LIFETIME))));
        self.head()
    }

    pub(super) fn change_keys(&mut self, issuer: &Issuer) {
        self.rows.push(None);
        self.issuer = issuer.clone();
    }

    pub(super) fn key_document(&self) -> String {
        self.issuer.key_document()
    }

    /// Whether a poll from there is answered at once.
    pub(super) fn has_news(&self, after: Cursor) -> bool {
        self.known(after) < self.head() || after.number == 0
    }

    /// The signed page for a poll from there.
    pub(super) fn page(&self, after: Cursor) -> String {
        let number = self.known(after);
        let from = usize::try_from(number).unwrap_or(usize::MAX);
        let rows = self.rows.iter().skip(from).take(Page::MAX_ENTRIES);
        let seq = number + u64::try_from(rows.len()).unwrap_or(0);
        let mut page = NextPage::of(&self.issuer).after(number).seq(seq);
        for (session, until) in rows.flatten() {
            page = page.revoking_until(*session, *until);
        }
        if seq < self.head() {
            page = page.more();
        }
        self.sign(&page, after)
    }

    pub(super) fn sign(&self, page: &NextPage, after: Cursor) -> String {
        page.sign(after, now())
    }

    /// The number of a cursor whose mark is ours; 0 of any other.
    fn known(&self, after: Cursor) -> u64 {
        let is_ours = after.number <= self.head() && after.mark == Some(mark(after.number, 0));
        if is_ours { after.number } else { 0 }
    }
}

fn now() -> UnixTime {
    UnixTime::from_seconds(unix_seconds())
}
