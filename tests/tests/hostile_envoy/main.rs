//! Attacks on the whole, story by story: Envoy with two workers on the shipped configuration or a change of it, and around it whatever a
//! story needs: a companion that lies, apps that stream, listeners that come and go, a neighbour that writes over our data.
//!
//! Every test has an Envoy of its own on free ports, which must end without a trap of any VM unless the test says that it traps.

mod answers;
mod capabilities;
mod companion;
mod dumps;
mod envoy_yaml;
mod grpc;
mod http2;
mod listeners;
mod moving;
mod neighbour;
mod routes;
mod siege;
mod skew;
mod streams;
mod subscribers;
mod traps;
mod upstream;

use serde_json::{Value, json};
use tests::gate::Gate;
use tests::issuer::{AUDIENCE, ISSUER, issuer, session};
use tests::stack::READY_PATH;
use tests::watch::unix_seconds;
use token::UnixTime;

/// A filter configuration whose state is stale after 5 s, the least that there is.
fn configuration() -> Value {
    json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "companion": { "cluster": "companion_internal", "authority": "companion", "token_env": "LATCHKEY_GATEWAY_TOKEN" },
        "max_staleness": "5s",
        "identity_headers": { "x-auth-subject": "sub", "x-auth-session": "sid", "x-auth-roles": "roles" },
        "ready_path": READY_PATH,
        "rules": [ { "match": { "prefix": "/public" }, "require": "none" } ]
    })
}

/// A token of the session of that name, issued now for 300 s.
fn token_of(name: &str) -> String {
    let now = UnixTime::from_seconds(unix_seconds());
    issuer().access_token_at(&session(name), now)
}

/// Ends the session of that name, and waits until the gate has acknowledged it.
fn revoke(gate: &Gate, name: &str) {
    let number = gate.companion.revoke(session(name).id);
    gate.companion.await_acknowledged(number).unwrap();
}
