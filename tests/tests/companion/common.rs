//! Steps that many tests take, on both stores.

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Barrier;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tests::authenticator::{self, Enrolled};
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::mailbox::code_in;
use tests::postgres::Postgres;
use tests::visitor::{Tokens, Visitor, enter_code};

pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 3_600;
pub(crate) const DAY: u64 = 86_400;

/// A companion, a caller and an account in it.
pub(crate) fn companion_with_alice() -> (Companion, Client, Visitor) {
    let companion = Companion::start().unwrap();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    (companion, client, alice)
}

/// So many calls at the same moment.
pub(crate) fn at_once<T: Send>(count: usize, call: impl Fn(usize) -> T + Sync) -> Vec<T> {
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
pub(crate) fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.string("/code"))
}

/// The claims of an access token.
pub(crate) fn claims(tokens: &Tokens) -> Value {
    let payload = tokens.access.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// One value out of the companion's store: what no answer tells.
pub(crate) fn stored<T>(companion: &Companion, query: &str) -> T
where
    T: FromSql + FromStr<Err: Debug>,
{
    if let Some(database) = companion.database() {
        let rows = Postgres::shared().query_text(database, query).unwrap();
        let value = rows[0][0].as_deref().unwrap();
        return value.parse().unwrap();
    }
    let path = companion.state().join("latchkey.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    db.query_row(query, [], |row| row.get(0)).unwrap()
}

/// Changes the store as no call of this version can.
pub(crate) fn tamper(companion: &Companion, statements: &str) {
    if let Some(database) = companion.database() {
        return Postgres::shared().execute(database, statements).unwrap();
    }
    let db = Connection::open(companion.state().join("latchkey.db")).unwrap();
    db.execute_batch(statements).unwrap();
}

/// Where the two stores have no words in common.
pub(crate) fn in_sql<'a>(companion: &Companion, sqlite: &'a str, postgres: &'a str) -> &'a str {
    match companion.database() {
        Some(_) => postgres,
        None => sqlite,
    }
}

/// How many events of that name the audit log has.
pub(crate) fn events(companion: &Companion, event: &str) -> u32 {
    let query = format!("SELECT COUNT(*) FROM audit WHERE event = '{event}'");
    stored(companion, &query)
}

/// The sessions that their owner sees.
pub(crate) fn listed(client: &Client, tokens: &Tokens) -> Vec<Value> {
    let list = client.get("/auth/v1/sessions").bearer(&tokens.access);
    let list = list.send().unwrap().expect(200, "the list").unwrap();
    list.json()["sessions"].as_array().unwrap().clone()
}

/// Logs out, and waits for no gateway.
pub(crate) fn log_out(client: &Client, tokens: &Tokens) -> Answer {
    let logout = client
        .delete("/auth/v1/sessions/current")
        .bearer(&tokens.access);
    logout.header("prefer", "respond-async").send().unwrap()
}

/// Whether the companion takes the access token.
pub(crate) fn is_alive(client: &Client, tokens: &Tokens) -> bool {
    let list = client.get("/auth/v1/sessions").bearer(&tokens.access);
    list.send().unwrap().status == 200
}

/// Asks for a code that lifts the session.
pub(crate) fn ask_to_step_up(client: &Client, tokens: &Tokens) -> Answer {
    let ask = client.post("/auth/v1/challenges").bearer(&tokens.access);
    ask.json(&json!({ "purpose": "step_up" })).send().unwrap()
}

/// Enters a code at a challenge that needs a token.
pub(crate) fn enter_with(client: &Client, tokens: &Tokens, challenge: &str, code: &str) -> Answer {
    let path = format!("/auth/v1/challenges/{challenge}/verify");
    let enter = client.post(&path).bearer(&tokens.access);
    enter.json(&json!({ "code": code })).send().unwrap()
}

/// The same session with the access token in that answer, which brings no refresh token.
pub(crate) fn with_access(tokens: &Tokens, answer: &Answer) -> Tokens {
    assert!(answer.json().get("refresh_token").is_none());
    assert_eq!(answer.string("/session/id"), tokens.session);
    Tokens {
        access: answer.string("/access_token"),
        ..tokens.clone()
    }
}

/// Lifts the session with a mailed code.
pub(crate) fn stepped_up(
    companion: &Companion,
    client: &Client,
    who: &Visitor,
    tokens: &Tokens,
) -> Tokens {
    let mails = companion.mailbox().mails_to(&who.email).len();
    let asked = ask_to_step_up(client, tokens).expect(202, "a step-up");
    let challenge = asked.unwrap().string("/challenge_id");
    let mail = companion.mailbox().wait_for(&who.email, mails + 1).unwrap();
    let code = code_in(mail.last().unwrap()).unwrap();
    let answer = enter_with(client, tokens, &challenge, &code);
    with_access(tokens, &answer.expect(200, "a step-up").unwrap())
}

/// Somebody with an authenticator app, logged in with the password alone before it was added.
pub(crate) struct WithApp {
    pub(crate) companion: Companion,
    pub(crate) client: Client,
    pub(crate) alice: Visitor,
    pub(crate) tokens: Tokens,
    pub(crate) enrolled: Enrolled,
}

impl WithApp {
    /// What the app shows.
    pub(crate) fn code(&self) -> String {
        self.enrolled.app.code_at(self.companion.now())
    }

    /// What it shows next: each code opens once.
    pub(crate) fn next_code(&self) -> String {
        self.companion.advance_seconds(30);
        self.code()
    }

    /// What it does not show.
    pub(crate) fn wrong_code(&self) -> String {
        self.enrolled.app.wrong_at(self.companion.now())
    }

    /// Enters the right password: the challenge that waits for the app.
    pub(crate) fn challenge(&self) -> String {
        let answer = self.alice.try_login(&self.client).unwrap();
        assert_eq!(refusal(&answer), (401, "otp_required".to_owned()));
        answer.string("/challenge_id")
    }

    /// Enters a code at a challenge of a login.
    pub(crate) fn enter(&self, challenge: &str, code: &str) -> Answer {
        enter_code(&self.client, challenge, code).unwrap()
    }

    /// Logs in, in two steps.
    pub(crate) fn log_in(&self) -> Tokens {
        let answer = self.enter(&self.challenge(), &self.next_code());
        Tokens::of(&answer.expect(201, "the second step").unwrap()).unwrap()
    }
}

pub(crate) fn with_app() -> WithApp {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let tokens = stepped_up(&companion, &client, &alice, &tokens);
    let enrolled = authenticator::enrol(&client, &tokens, companion.now()).unwrap();
    WithApp {
        companion,
        client,
        alice,
        tokens,
        enrolled,
    }
}
