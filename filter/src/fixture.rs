//! An issuer, a companion's feed and a configuration, for the tests of the rules.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "test code: an overflow is a failed test"
)]

use std::time::Duration;

use serde_json::{Value, json};
use token::{
    AccessClaims, Algorithm, Cursor, GatewayKeys, KeySet, Mark, Page, SessionId, SigningKey,
    TokenId, UnixTime,
};

use crate::config::Config;
use crate::state::Now;
use crate::subscription::{Fetch, Reply};

pub(crate) const ISSUER: &str = "https://www.example.com";
pub(crate) const AUDIENCE: &str = "https://www.example.com/api";
pub(crate) const START: Now = Now {
    monotonic: 1_000_000,
    wall: UnixTime::from_seconds(1_800_000_000),
};

/// A configuration with these members besides the required ones.
pub(crate) fn config(changes: Value) -> Config {
    let mut document = json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "companion": { "cluster": "companion_internal", "token_env": "LATCHKEY_GATEWAY_TOKEN" },
    });
    let Value::Object(changes) = changes else {
        panic!("members")
    };
    for (name, value) in changes {
        if value.is_null() {
            document.as_object_mut().unwrap().remove(&name);
        } else {
            document[name] = value;
        }
    }
    Config::parse(document.to_string().as_bytes()).unwrap()
}

pub(crate) fn key(secret: u8) -> SigningKey {
    SigningKey::from_secret(Algorithm::Es256, &[secret; 32]).unwrap()
}

pub(crate) fn key_set(secret: u8) -> KeySet {
    KeySet::new(vec![key(secret).verifying_key().clone()]).unwrap()
}

/// Sessions of the same number share a bucket with those of number + 100.
pub(crate) fn session(number: u8) -> SessionId {
    let mut id = [number; 16];
    id[..2].copy_from_slice(&[0, number % 100]);
    SessionId::from_bytes(id)
}

/// Good for 300 s from [`START`], signed with the access key of that secret.
pub(crate) fn access_token(session: SessionId, secret: u8) -> String {
    token::issue(&claims(session), &key(secret))
}

/// What [`access_token`] says.
pub(crate) fn claims(session: SessionId) -> AccessClaims {
    AccessClaims {
        iss: ISSUER.into(),
        aud: vec![AUDIENCE.into()],
        sub: "b0b".into(),
        sid: session,
        jti: TokenId::from_bytes([1; 16]),
        iat: START.wall,
        exp: START.wall.plus(Duration::from_secs(300)),
        auth_time: START.wall,
        acr: "password".into(),
        amr: vec!["pwd".into()],
        client_id: "latchkey".into(),
        roles: vec!["teller".into()],
        scope: None,
        email: None,
    }
}

/// Later than `now` by that much on both clocks.
pub(crate) fn later(now: Now, milliseconds: u64) -> Now {
    let monotonic = now.monotonic + milliseconds;
    let seconds = monotonic / 1_000 - now.monotonic / 1_000;
    Now {
        monotonic,
        wall: now.wall.plus(Duration::from_secs(seconds)),
    }
}

/// The companion's side: numbered rows, marks, keys.
#[derive(Clone)]
pub(crate) struct Companion {
    /// Ended sessions by number, with the latest `exp`; a change of keys is a row without a session.
    pub(crate) rows: Vec<(u64, Option<(SessionId, UnixTime)>)>,
    /// Tells one history of the store from another.
    pub(crate) history: u8,
    pub(crate) access: u8,
    pub(crate) feed: u8,
    pub(crate) keys: u64,
    pub(crate) page_size: usize,
}

impl Companion {
    pub(crate) fn new() -> Self {
        Self {
            rows: vec![(1, None)],
            history: 0,
            access: 7,
            feed: 9,
            keys: 1,
            page_size: 2_000,
        }
    }

    pub(crate) fn head(&self) -> u64 {
        self.rows.last().map_or(0, |(number, _)| *number)
    }

    pub(crate) fn revoke(&mut self, session: SessionId) {
        let exp = START.wall.plus(Duration::from_secs(300));
        self.rows.push((self.head() + 1, Some((session, exp))));
    }

    /// Other keys, under the next number.
    pub(crate) fn rotate(&mut self, access: u8, feed: u8) {
        self.rows.push((self.head() + 1, None));
        (self.access, self.feed, self.keys) = (access, feed, self.head());
    }

    pub(crate) fn mark(&self, number: u64) -> Option<Mark> {
        let [.., low] = number.to_be_bytes();
        (number > 0).then(|| Mark::from_bytes([self.history, low, 3, 4, 5, 6, 7, 8]))
    }

    pub(crate) fn page(&self, after: Cursor, iat: UnixTime) -> Page {
        let is_known = after.number <= self.head() && after.mark == self.mark(after.number);
        let after = if is_known { after.number } else { 0 };
        let rows = self.rows.iter().filter(|(number, _)| *number > after);
        let rows = rows.take(self.page_size).collect::<Vec<_>>();
        let seq = rows.last().map_or(after, |(number, _)| *number);
        Page {
            iss: ISSUER.into(),
            iat,
            after,
            seq,
            mark: self.mark(seq),
            more: seq < self.head(),
            keys: self.keys,
            revoked: rows.iter().filter_map(|(_, row)| *row).collect(),
        }
    }

    pub(crate) fn sign(&self, page: &Page) -> Reply {
        ok(page.sign(&key(self.feed)))
    }

    pub(crate) fn key_document(&self) -> GatewayKeys {
        GatewayKeys {
            version: self.keys,
            access: key_set(self.access),
            feed: key_set(self.feed),
        }
    }

    /// What it answers to any call at this moment of its clock.
    pub(crate) fn answer(&self, fetch: &Fetch, iat: UnixTime) -> Reply {
        if fetch.path == "/gateway/v1/keys" {
            return ok(self.key_document().to_json());
        }
        self.sign(&self.page(after(fetch), iat))
    }
}

/// The cursor of a poll.
pub(crate) fn after(fetch: &Fetch) -> Cursor {
    parameter(fetch, "after").parse().unwrap()
}

pub(crate) fn parameter<'a>(fetch: &'a Fetch, name: &str) -> &'a str {
    let (_, query) = fetch.path.split_once('?').expect("a poll");
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).unwrap().1
}

pub(crate) fn ok(body: String) -> Reply {
    Reply {
        status: Some(200),
        body: body.into_bytes(),
    }
}
