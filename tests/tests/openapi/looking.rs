//! What only looks.

use std::time::Duration;

use rusqlite::types::Value as Column;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tests::companion::Companion;
use tests::visitor::{Visitor, enter_code};
use tests::watch::wait_for;

use crate::document::document;

const PATIENCE: Duration = Duration::from_secs(10);

/// Every row of every table of the store.
fn everything(companion: &Companion) -> Vec<(String, Vec<Column>)> {
    let path = companion.state().join("latchkey.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut tables = db.prepare(tables).unwrap();
    let tables = tables.query_map([], |row| row.get(0)).unwrap();
    let mut everything = Vec::new();
    for table in tables.map(Result::<String, _>::unwrap) {
        let mut rows = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = rows.column_count();
        let row = |row: &rusqlite::Row| (0..columns).map(|column| row.get(column)).collect();
        let rows = rows.query_map([], row).unwrap();
        everything.extend(rows.map(|row| (table.clone(), row.unwrap())));
    }
    everything
}

/// CK-06: GET, HEAD and OPTIONS on every public path, with all that would let the call succeed, leave the store as it was.
#[test]
fn looking_at_every_path_changes_nothing() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let alice = companion.account("alice").unwrap();
    let tokens = alice.login(&client).unwrap();
    let bob = Visitor::named("bob");
    let challenge = bob.sign_up(&client).unwrap().string("/challenge_id");
    let code = companion.mailbox().code_for(&bob.email).unwrap();
    // The mail is there before its row has gone.
    wait_for("the outbox to be done", PATIENCE, || {
        let is_waiting = |(table, _): &(String, _)| table == "outbox";
        Ok((!everything(&companion).iter().any(is_waiting)).then_some(()))
    })
    .unwrap();
    let before = everything(&companion);
    assert!(before.len() > 5);
    let body = json!({
        "code": code, "refresh_token": tokens.refresh, "email": alice.email, "password": alice.password,
    });
    let document = document(&companion, "/openapi.json");
    for path in document["paths"].as_object().unwrap().keys() {
        let path = if path.contains("/challenges/") {
            path.replace("{id}", &challenge)
        } else {
            path.replace("{id}", &tokens.session)
        };
        for method in ["GET", "HEAD", "OPTIONS"] {
            for query in ["", "?scope=all"] {
                let request = client.request(method, &format!("{path}{query}"));
                let request = request.header("x-http-method-override", "DELETE");
                let answer = request.bearer(&tokens.access).json(&body).send().unwrap();
                assert!(answer.status < 500, "{method} {path}");
            }
        }
    }
    assert_eq!(everything(&companion), before);
    // And all of it would have done something.
    assert_eq!(enter_code(&client, &challenge, &code).unwrap().status, 200);
    tokens.refresh(&client).unwrap();
}
