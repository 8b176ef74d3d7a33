mod browsers;
mod policy;
mod races;
mod stale;
mod table;

use serde_json::{Value, json};
use std::time::Duration;
use token::{Cursor, GatewayId, GatewayKeys, SessionId, SoftwareCheck, UnixTime};

use super::*;
use crate::bucket;
use crate::fixture::{
    AUDIENCE, ISSUER, START, access_token, claims, config, key, key_set, later, session,
};
use crate::held_keys;
use crate::shared::Scope;
use crate::shared::memory::Memory;
use crate::state::State;

/// A verified token.
pub(crate) fn token() -> Rc<AccessToken> {
    let expected = Expected {
        issuer: ISSUER,
        audiences: &[AUDIENCE.to_owned()],
        clock_skew: Duration::ZERO,
        max_lifetime: Duration::from_secs(300),
    };
    let raw = access_token(session(1), 7);
    let token = AccessToken::verify(
        raw.as_bytes(),
        &key_set(7),
        &SoftwareCheck,
        &expected,
        START.wall,
    );
    Rc::new(token.unwrap())
}

/// A gate and the shared data of its subscription, written by hand.
struct Place {
    gate: Gate,
    shared: Memory,
    scope: Scope,
}

impl Place {
    fn new(changes: Value) -> Self {
        let config = Rc::new(config(changes));
        Self {
            scope: Scope::new(&config.namespace),
            gate: Gate::new(config),
            shared: Memory::default(),
        }
    }

    /// Synced, fresh at [`START`], with the access key of secret 7.
    fn synced(changes: Value) -> Self {
        let place = Self::new(changes);
        place.put_keys(7);
        let state = State {
            fresh_at: START.monotonic,
            last_iat: START.wall,
            is_synced: true,
            cursor: Cursor::START,
            ..State::unsynced(GatewayId::from_bytes([1; 16]), [0; 8])
        };
        place.shared.put(&place.scope.key("state"), &state.encode());
        place.shared.put(&place.scope.key("v"), &[]);
        place
    }

    fn put_keys(&self, access: u8) {
        let keys = GatewayKeys {
            version: 1,
            access: key_set(access),
            feed: key_set(9),
        };
        let document = held_keys::encode(&keys.to_json());
        self.shared.put(&self.scope.key("keys"), &document);
    }

    fn asks(&mut self, path: &str, authorization: Option<&str>, now: Now) -> Verdict {
        let authorization = authorization.map(|value| ("authorization", value));
        let headers: Vec<_> = authorization.into_iter().collect();
        self.sends("GET", path, &headers, now)
    }

    fn sends(&mut self, method: &str, path: &str, others: &[(&str, &str)], now: Now) -> Verdict {
        let headers: Vec<_> = [(":method", method), (":path", path)]
            .iter()
            .chain(others)
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let request = Request::new(&headers);
        self.gate
            .decide(&request, &self.shared, &SoftwareCheck, now)
            .verdict
    }

    fn shows(&mut self, token: &str, now: Now) -> Verdict {
        self.asks("/orders", Some(&format!("Bearer {token}")), now)
    }
}

fn put_revocation(shared: &Memory, scope: &Scope, session: SessionId) {
    let entries = [(session, START.wall.plus(Duration::from_secs(300)))];
    shared.put(&scope.bucket(session.bucket()), &bucket::encode(&entries));
}

fn denial(verdict: &Verdict) -> Option<Denial> {
    match verdict {
        Verdict::Deny(denial) => Some(denial.clone()),
        Verdict::Pass(_) | Verdict::Ready(_) => None,
    }
}

fn alice() -> String {
    access_token(session(1), 7)
}

/// TV-27, KR-02: a cached verdict is one of the key set that it was made with.
#[test]
fn a_cached_token_ends_with_its_key() {
    let mut place = Place::synced(json!({}));
    assert_eq!(denial(&place.shows(&alice(), START)), None);
    place.put_keys(17);
    place.shared.put(&place.scope.key("v"), &[]);
    let rejected = Denial::Rejected(token::Rejection::UnknownKey);
    assert_eq!(denial(&place.shows(&alice(), START)), Some(rejected));
    let with_the_new_key = access_token(session(1), 17);
    assert_eq!(denial(&place.shows(&with_the_new_key, START)), None);
}

/// TV-27: expiry and revocation are looked at on every hit.
#[test]
fn a_cached_token_is_checked_again() {
    let mut place = Place::synced(json!({ "max_staleness": "1h" }));
    let at = |seconds: u64| later(START, seconds.saturating_mul(1_000));
    assert_eq!(denial(&place.shows(&alice(), at(329))), None);
    let expired = Denial::Rejected(token::Rejection::Expired);
    assert_eq!(denial(&place.shows(&alice(), at(330))), Some(expired));
    assert_eq!(denial(&place.shows(&alice(), at(329))), None);
    put_revocation(&place.shared, &place.scope, session(1));
    assert_eq!(
        denial(&place.shows(&alice(), at(329))),
        Some(Denial::Revoked)
    );
    let neighbour = access_token(session(101), 7);
    assert_eq!(denial(&place.shows(&neighbour, at(329))), None);
}

/// Inline keys without a companion: decided without any shared data, and ready from the start.
#[test]
fn without_a_companion_no_state_is_needed() {
    let mut place = Place::new(json!({
        "companion": null,
        "jwks": { "inline": key_set(7).to_value() },
        "on_stale": "allow",
        "ready_path": "/ready",
    }));
    assert_eq!(denial(&place.shows(&alice(), START)), None);
    assert!(matches!(
        place.asks("/ready", None, START),
        Verdict::Ready(true)
    ));
    let other_key = access_token(session(1), 17);
    assert!(denial(&place.shows(&other_key, START)).is_some());
    assert_eq!(
        denial(&place.asks("/", None, START)),
        Some(Denial::NoCredential)
    );
    assert_eq!(place.shared.operations(), 0);
}

/// What needs no token needs no state either.
#[test]
fn public_paths_do_not_look_at_the_state() {
    let mut place = Place::new(json!({ "rules": [
        { "match": { "prefix": "/public" }, "require": "none" },
        { "match": { "prefix": "/news" }, "require": "optional" },
    ] }));
    assert_eq!(
        denial(&place.asks("/public", Some("Bearer x"), START)),
        None
    );
    assert_eq!(denial(&place.asks("/news", None, START)), None);
    assert_eq!(place.shared.operations(), 0);
    let looked_at = place.asks("/news", Some("Bearer x"), START);
    assert_eq!(denial(&looked_at), Some(Denial::Unsynced));
}

/// `ready_path`: synced and fresh, also where a stale state would let requests pass.
#[test]
fn ready_means_synced_and_fresh() {
    for on_stale in ["deny", "allow"] {
        let settings = json!({ "ready_path": "/ready", "on_stale": on_stale });
        let mut unsynced = Place::new(settings.clone());
        assert!(matches!(
            unsynced.asks("/ready", None, START),
            Verdict::Ready(false)
        ));
        let mut place = Place::synced(settings);
        for (seconds, is_ready) in [(0, true), (60, true), (61, false)] {
            let now = later(START, seconds * 1_000);
            let Verdict::Ready(answer) = place.asks("/ready", Some("Bearer x"), now) else {
                panic!("no answer")
            };
            assert_eq!(answer, is_ready, "{on_stale} {seconds}");
        }
        assert!(matches!(
            place.asks("/ready", None, Now::UNKNOWN),
            Verdict::Ready(false)
        ));
    }
}

/// FR-11: an odd answer of the host denies, whichever value was read.
#[test]
fn a_read_that_fails_denies() {
    for ending in ["/v", "/state", "/keys", "/b/0001"] {
        let mut place = Place::synced(json!({}));
        place.shared.refuse_reads_of(Some(ending));
        let verdict = place.shows(&alice(), START);
        assert_eq!(denial(&verdict), Some(Denial::Unsynced), "{ending}");
    }
}

/// The order of the checks: a session that has ended is told nothing, and neither is a token that is bad.
#[test]
fn revocation_comes_after_the_signature_and_before_all_else() {
    let mut place = Place::synced(json!({ "identity_headers": { "x-auth-roles": "roles" } }));
    put_revocation(&place.shared, &place.scope, session(1));
    let mut forged = alice();
    forged.truncate(forged.len().saturating_sub(4));
    forged.push_str("AAAA");
    let verdict = place.shows(&forged, START);
    assert!(matches!(verdict, Verdict::Deny(Denial::Rejected(_))));
    assert_eq!(denial(&place.shows(&alice(), START)), Some(Denial::Revoked));
    let mut claims = claims(session(2));
    claims.iat = START.wall.plus(Duration::from_secs(31));
    let not_yet = place.shows(&token::issue(&claims, &key(7)), START);
    assert!(matches!(not_yet, Verdict::Deny(Denial::Rejected(_))));
}
