//! Pages of the feed, written by hand: what a companion would answer, and what it never would.

use std::time::Duration;

use token::{Cursor, Mark, Page, SessionId, SigningKey, UnixTime};

use crate::issuer::{Issuer, digest, issuer};

/// The page that answers the next poll. Without changes: a heartbeat that continues what is asked.
#[derive(Clone)]
pub struct NextPage {
    pub(crate) issuer: Issuer,
    key: SigningKey,
    revoked: Vec<(SessionId, Option<UnixTime>)>,
    iat: Option<UnixTime>,
    after: Option<u64>,
    seq: Option<u64>,
    mark: Option<Option<Mark>>,
    keys: Option<u64>,
    more: bool,
    epoch: u64,
}

/// A page of [`issuer`].
pub fn page() -> NextPage {
    NextPage::of(&issuer())
}

impl NextPage {
    /// A page of that issuer.
    pub fn of(issuer: &Issuer) -> Self {
        Self {
            key: issuer.feed_key().clone(),
            issuer: issuer.clone(),
            revoked: Vec::new(),
            iat: None,
            after: None,
            seq: None,
            mark: None,
            keys: None,
            more: false,
            epoch: 0,
        }
    }

    /// A session that has ended; its tokens live for 300 s from now.
    #[must_use]
    pub fn revoking(mut self, session: SessionId) -> Self {
        self.revoked.push((session, None));
        self
    }

    /// A session that has ended, with the latest `exp` of its tokens.
    #[must_use]
    pub fn revoking_until(mut self, session: SessionId, exp: UnixTime) -> Self {
        self.revoked.push((session, Some(exp)));
        self
    }

    /// Another moment of reading than now.
    #[must_use]
    pub const fn at(mut self, iat: UnixTime) -> Self {
        self.iat = Some(iat);
        self
    }

    /// Another number to continue than the one asked.
    #[must_use]
    pub const fn after(mut self, number: u64) -> Self {
        self.after = Some(number);
        self
    }

    /// Another last number than `after` and the entries make.
    #[must_use]
    pub const fn seq(mut self, number: u64) -> Self {
        self.seq = Some(number);
        self
    }

    /// Another mark than that of the number.
    #[must_use]
    pub const fn mark(mut self, mark: Option<Mark>) -> Self {
        self.mark = Some(mark);
        self
    }

    /// Another number of the key set than the issuer's.
    #[must_use]
    pub const fn keys(mut self, version: u64) -> Self {
        self.keys = Some(version);
        self
    }

    /// More rows are there.
    #[must_use]
    pub const fn more(mut self) -> Self {
        self.more = true;
        self
    }

    /// Marks of another history of the store.
    #[must_use]
    pub const fn epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// Signed with another key.
    #[must_use]
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self
    }

    /// The signed page for a poll that asked for `after`, read at `now`.
    pub fn sign(&self, after: Cursor, now: UnixTime) -> String {
        self.compose(after, now).sign(&self.key)
    }

    /// The page for a poll that asked for `after`, read at `now`.
    pub fn compose(&self, after: Cursor, now: UnixTime) -> Page {
        let after = self.after.unwrap_or(after.number);
        // The first key set is number 1.
        let rows = u64::try_from(self.revoked.len()).expect("few entries") + u64::from(after == 0);
        let seq = self.seq.unwrap_or(after + rows);
        let exp = |exp: Option<UnixTime>| exp.unwrap_or(now.plus(Duration::from_secs(300)));
        let revoked = self.revoked.iter();
        Page {
            iss: self.issuer.name().to_owned(),
            iat: self.iat.unwrap_or(now),
            after,
            seq,
            mark: self
                .mark
                .unwrap_or((seq > 0).then(|| mark(seq, self.epoch))),
            more: self.more,
            keys: self.keys.unwrap_or(self.issuer.version()),
            revoked: revoked.map(|(sid, until)| (*sid, exp(*until))).collect(),
        }
    }
}

/// The mark of a number in one history of the store.
pub fn mark(number: u64, epoch: u64) -> Mark {
    let digest = digest(&format!("mark {number} {epoch}"));
    Mark::from_bytes(std::array::from_fn(|at| digest[at]))
}
