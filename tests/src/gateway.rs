//! A gateway under test: a configuration, and the companion's side of its feed, written by hand page by page.

use std::time::Duration;

use serde_json::{Value, json};
use token::{Cursor, UnixTime};

use crate::host::{Callout, Host, Response, Starting};
use crate::issuer::{AUDIENCE, ISSUER, Issuer};
pub use crate::next_page::{NextPage, mark, page};
pub use crate::stand_in::GATEWAY_TOKEN;

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
