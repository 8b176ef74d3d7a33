//! The decision table on the pure rules (`decisions`); what the adapter does with a verdict is done here by hand.

use std::collections::BTreeMap;

use decisions::{Configuration, Outcome, READY_PATH, Row, Run, rows, sessions_that_ended};

use super::*;
use crate::shared::memory::Memory;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// What Envoy joins with a comma, of what rows repeat.
const JOINED: [&[u8]; 2] = [b"authorization", b"content-type"];

/// A gate of that configuration with the keys of the rows, and their revocations where it is synced.
fn gate_and_data(configuration: Configuration, state: decisions::State) -> (Config, Gate, Memory) {
    let document = configuration.document().to_string();
    let config = Config::parse(document.as_bytes()).unwrap();
    let scope = Scope::new(&config.namespace);
    let shared = Memory::default();
    let age: Duration = match state {
        decisions::State::Unsynced => return (config.clone(), Gate::new(Rc::new(config)), shared),
        decisions::State::Synced => Duration::ZERO,
        decisions::State::Aged => Duration::from_secs(10),
    };
    let keys = decisions::issuer::issuer().key_document();
    shared.put(&scope.key("keys"), &held_keys::encode(&keys));
    let state = State {
        fresh_at: START
            .monotonic
            .saturating_sub(age.as_secs().saturating_mul(1_000)),
        last_iat: START.wall.minus(age),
        is_synced: true,
        cursor: Cursor::START,
        ..State::unsynced(GatewayId::from_bytes([1; 16]), [0; 8])
    };
    for session in sessions_that_ended() {
        put_revocation(&shared, &scope, session);
    }
    shared.put(&scope.key("state"), &state.encode());
    shared.put(&scope.key("v"), &[]);
    (config.clone(), Gate::new(Rc::new(config)), shared)
}

fn answer(denial: &Denial, realm: &str) -> Outcome {
    let answer = denial.answer(realm);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let headers = answer.headers.into_iter();
    Outcome::Answer {
        status: answer.status,
        headers: headers
            .map(|(name, value)| (name.into(), value.into_bytes()))
            .collect(),
        code: body["code"].as_str().unwrap().to_owned(),
    }
}

fn passed(config: &Config, pass: &Pass, request: &Fields, trailers: &Fields) -> Outcome {
    let is_kept = |name: &[u8]| {
        let is_dropped = pass.drops_authorization && name == b"authorization"
            || pass.cookies != Cookies::Kept && name == b"cookie";
        !is_dropped && !config.identity.is_reserved(name)
    };
    let kept = |fields: &Fields| -> Fields {
        let fields = fields.iter().filter(|(name, _)| is_kept(name));
        fields.cloned().collect()
    };
    let mut headers = kept(request);
    if let Cookies::Others(others) = &pass.cookies {
        headers.push((b"cookie".to_vec(), others.clone()));
    }
    let stale = pass
        .stale_for
        .map(|age| (crate::identity::STALE.to_owned(), age.to_string()));
    let ours = pass.identity.clone().into_iter().chain(stale);
    headers.extend(ours.map(|(name, value)| (name.into_bytes(), value.into_bytes())));
    Outcome::App {
        headers,
        trailers: Some(kept(trailers)),
    }
}

fn outcome(row: &Row, config: &Config, gate: &mut Gate, shared: &Memory) -> Outcome {
    let fields = row.request.as_envoy_keeps_it(&JOINED);
    let kept = fields
        .iter()
        .filter(|(name, _)| !config.identity.is_reserved(name));
    let seen: Vec<_> = kept
        .map(|(name, value)| (name.as_slice(), value.as_slice()))
        .collect();
    match gate
        .decide(&Request::new(&seen), shared, &SoftwareCheck, START)
        .verdict
    {
        Verdict::Pass(pass) => passed(config, &pass, &fields, &row.request.trailers),
        Verdict::Deny(denial) => answer(&denial, &config.realm),
        Verdict::Ready(true) => Outcome::Answer {
            status: 200,
            headers: Vec::new(),
            code: String::new(),
        },
        Verdict::Ready(false) => answer(&Denial::Unsynced, &config.realm),
    }
}

/// TV-*, FR-*, CK-*: every row of the decision table, natively. The same rows run on the built module and on Envoy.
#[test]
fn the_decision_table_holds_on_the_rules() {
    let mut gates = BTreeMap::new();
    let mut faults = Vec::new();
    let rows = rows(START.wall);
    for row in &rows {
        let (config, gate, shared) = gates
            .entry((row.configuration, row.state))
            .or_insert_with(|| gate_and_data(row.configuration, row.state));
        let outcome = outcome(row, config, gate, shared);
        faults.extend(row.fault(Run::Native, &outcome));
    }
    assert!(
        rows.iter()
            .any(|row| row.request.target.as_deref() == Some(READY_PATH.as_bytes()))
    );
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        rows.len(),
        faults.join("\n")
    );
}
