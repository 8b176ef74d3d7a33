//! A gateway under test: a configuration, and the companion's side of its feed, written by hand page by page.

use std::time::Duration;

use serde_json::{Value, json};
use token::{Cursor, Mark, Page, SessionId, SigningKey, UnixTime};

use crate::host::{Callout, Host, Response, Starting};
use crate::issuer::{AUDIENCE, ISSUER, Issuer, digest, issuer};

/// What [`Host::latchkey`] puts into the environment.
pub const GATEWAY_TOKEN: &str = "gateway-token-of-the-tests";

/// A configuration with every kind of rule; to be changed member by member.
pub fn config() -> Value {
    json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "companion": { "cluster": "companion_internal", "authority": "companion", "token_env": "LATCHKEY_GATEWAY_TOKEN" },
        "realm": "example",
        "identity_headers": { "x-auth-subject": "sub", "x-auth-session": "sid", "x-auth-roles": "roles" },
        "ready_path": "/-/latchkey/ready",
        "rules": [
            { "match": { "prefix": "/auth" }, "require": "none", "forward_token": true },
            { "match": { "prefix": "/public" }, "require": "none" },
            { "match": { "prefix": "/news" }, "require": "optional" },
            { "match": { "path": "/orders", "methods": ["PUT"] }, "require": "none" }
        ]
    })
}

/// A poll that waits for its page.
#[derive(Clone, Debug)]
pub struct Poll {
    /// The call-out.
    pub callout: Callout,
    /// What `after` says.
    pub after: Cursor,
}

impl Host {
    /// A process with this configuration and a gateway token.
    pub fn latchkey(configuration: &Value) -> Starting {
        Self::start(configuration).env("LATCHKEY_GATEWAY_TOKEN", GATEWAY_TOKEN)
    }

    /// The newest poll that waits, if one does. Older ones are of a VM that is gone, or given up.
    pub fn waiting_poll(&self) -> Option<Poll> {
        let mut callouts = self.callouts().into_iter().rev();
        let callout =
            callouts.find(|callout| callout.path().starts_with("/gateway/v1/revocations?"))?;
        let after = callout.parameter("after").parse().expect("a cursor");
        Some(Poll { callout, after })
    }

    /// The newest key fetch that waits, if one does.
    pub fn waiting_key_fetch(&self) -> Option<Callout> {
        let mut callouts = self.callouts().into_iter().rev();
        callouts.find(|callout| callout.path() == "/gateway/v1/keys")
    }

    /// Ticks until a poll waits, for at most 20 s; a key fetch on the way is answered with the keys of `issuer`.
    ///
    /// # Panics
    /// When none comes.
    pub fn poll(&mut self, issuer: &Issuer) -> Poll {
        for _ in 0..80 {
            if let Some(fetch) = self.waiting_key_fetch() {
                self.answer(fetch.id, Response::ok(issuer.key_document()));
            }
            if let Some(poll) = self.waiting_poll() {
                return poll;
            }
            self.tick();
        }
        panic!("no poll came: {:#?}", self.logs());
    }

    /// Answers the next poll with this page, and the key fetch that it may cause.
    pub fn answer_feed(&mut self, page: NextPage) {
        let poll = self.poll(&page.issuer);
        let body = page.sign(poll.after, UnixTime::from_seconds(self.now()));
        self.answer(poll.callout.id, Response::ok(body));
        if let Some(fetch) = self.waiting_key_fetch() {
            self.answer(fetch.id, Response::ok(page.issuer.key_document()));
        }
    }

    /// Keys and the first full pass, without a revocation.
    pub fn sync(&mut self) {
        self.answer_feed(page());
    }

    /// Lets time pass as [`Host::advance`] does, in steps of a second, with every poll answered by a heartbeat.
    pub fn advance_in_touch(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.advance(Duration::from_secs(1));
            if self.waiting_poll().is_some() {
                self.answer_feed(page());
            }
        }
    }
}

/// The page that answers the next poll. Without changes: a heartbeat that continues what is asked.
#[derive(Clone)]
pub struct NextPage {
    issuer: Issuer,
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
