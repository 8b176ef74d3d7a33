//! The companion over HTTP: it runs in this process, on a state directory of its own for each test, by a clock that the test moves.
//!
//! A test's name is the attack, or the promise; its comment names the requirement.

mod answers;
mod codes;
mod crash;
mod feed;
mod limits;
mod login;
mod logout;
mod lost;
mod pending;
mod polls;
mod rate;
mod receipts;
mod refresh;
mod restore;
mod reuse;
mod secrets;
mod sessions;
mod sign_up;
mod start;
mod strictness;

use std::sync::Barrier;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::visitor::{Tokens, Visitor};

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// A companion, a caller and an account in it.
fn companion_with_alice() -> (Companion, Client, Visitor) {
    let companion = Companion::start().unwrap();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    (companion, client, alice)
}

/// So many calls at the same moment.
fn at_once<T: Send>(count: usize, call: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count);
    let call = |number| {
        start.wait();
        call(number)
    };
    thread::scope(|scope| {
        let calls: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || call(number)))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

/// Status and code of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.string("/code"))
}

/// The claims of an access token.
fn claims(tokens: &Tokens) -> Value {
    let payload = tokens.access.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// One value out of the companion's store: what no answer tells.
fn stored<T: FromSql>(companion: &Companion, query: &str) -> T {
    let path = companion.state().join("latchkey.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    db.query_row(query, [], |row| row.get(0)).unwrap()
}

/// Changes the store as no call of this version can.
fn tamper(companion: &Companion, statements: &str) {
    let db = Connection::open(companion.state().join("latchkey.db")).unwrap();
    db.execute_batch(statements).unwrap();
}

/// How many events of that name the audit log has.
fn events(companion: &Companion, event: &str) -> u32 {
    let query = format!("SELECT COUNT(*) FROM audit WHERE event = '{event}'");
    stored(companion, &query)
}

/// The sessions that their owner sees.
fn listed(client: &Client, tokens: &Tokens) -> Vec<Value> {
    let list = client.get("/auth/v1/sessions").bearer(&tokens.access);
    let list = list.send().unwrap().expect(200, "the list").unwrap();
    list.json()["sessions"].as_array().unwrap().clone()
}

/// Logs out, and waits for no gateway.
fn log_out(client: &Client, tokens: &Tokens) -> Answer {
    let logout = client
        .delete("/auth/v1/sessions/current")
        .bearer(&tokens.access);
    logout.header("prefer", "respond-async").send().unwrap()
}

/// Whether the companion takes the access token.
fn is_alive(client: &Client, tokens: &Tokens) -> bool {
    let list = client.get("/auth/v1/sessions").bearer(&tokens.access);
    list.send().unwrap().status == 200
}
