//! The table on the built module, in the proxy-wasm host.

use std::collections::BTreeMap;
use std::time::Duration;

use decisions::{Configuration, Outcome, Row, Run, State, rows, sessions_that_ended};
use serde_json::Value;
use tests::gateway::page;
use tests::host::{HeaderMap, Host, Reply, Request};
use tests::issuer::START;

fn host(configuration: Configuration, state: State) -> Host {
    let mut host = Host::latchkey(&configuration.document()).vms(1);
    if state != State::Unsynced {
        let ended = sessions_that_ended().into_iter();
        host.answer_feed(ended.fold(page(), |page, session| page.revoking(session)));
    }
    if state == State::Aged {
        host.sleep(Duration::from_secs(10));
    }
    host
}

fn pairs(map: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = map.iter();
    pairs
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

fn outcome(reply: &Reply) -> Outcome {
    if let Some(failure) = reply.failure() {
        return Outcome::Broken(failure.to_owned());
    }
    if !reply.passed() {
        let local = reply.local();
        let body: Option<Value> = serde_json::from_slice(&local.body).ok();
        let code = body.as_ref().and_then(|body| body["code"].as_str());
        return Outcome::Answer {
            status: local.status,
            headers: pairs(&local.headers),
            code: code.unwrap_or_default().to_owned(),
        };
    }
    let mut headers = pairs(reply.headers());
    // Envoy takes it away behind the interlock; without it nothing passes there.
    let marks = headers.extract_if(.., |(name, _)| name == b"x-auth-gate");
    if marks.map(|(_, value)| value).ne([b"pass".to_vec()]) {
        return Outcome::Broken("it passed without the mark of the interlock".to_owned());
    }
    Outcome::App {
        headers,
        trailers: Some(pairs(reply.trailers())),
    }
}

fn send(host: &mut Host, row: &Row) -> Outcome {
    let request = Request::of(row.request.fields(), row.request.trailers.clone());
    outcome(&host.vm(0).request(request))
}

/// TV-*, FR-*, CK-*: every row of the decision table, on the module as it ships. Each row gets an answer, and none
/// of them a trap. ER-03: every bad, expired or revoked token is refused with one answer.
#[test]
fn the_decision_table_holds_on_the_module() {
    let mut hosts = BTreeMap::new();
    let (mut faults, mut refusals) = (Vec::new(), Vec::new());
    let rows = rows(START);
    for row in &rows {
        let place = (row.configuration, row.state);
        let host = hosts
            .entry(place)
            .or_insert_with(|| host(row.configuration, row.state));
        let outcome = send(host, row);
        if let Outcome::Answer {
            status: 401, code, ..
        } = &outcome
            && code == "invalid_token"
            && row.configuration == Configuration::Full
        {
            refusals.push(outcome.clone());
        }
        faults.extend(row.fault(Run::Module, &outcome));
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:#?}");
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        rows.len(),
        faults.join("\n")
    );
}
