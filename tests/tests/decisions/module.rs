//! The table on the built module, in the proxy-wasm host.

use std::collections::BTreeMap;
use std::time::Duration;

use decisions::{Configuration, Outcome, Row, Run, State, rows, sessions_that_ended};
use serde_json::Value;
use tests::gateway::page;
use tests::host::{HeaderMap, Host, Reply, Request, Starting};
use tests::issuer::START;

/// One process for each configuration and state that rows ask for, started as `change` says.
struct Hosts {
    started: BTreeMap<(Configuration, State), Host>,
    change: fn(Starting) -> Starting,
}

impl Hosts {
    fn new(change: fn(Starting) -> Starting) -> Self {
        Self {
            started: BTreeMap::new(),
            change,
        }
    }

    fn send(&mut self, row: &Row) -> Outcome {
        let started = self.started.entry((row.configuration, row.state));
        let host = started.or_insert_with(|| {
            let start = (self.change)(Host::latchkey(&row.configuration.document()));
            in_state(start.vms(1), row.state)
        });
        let request = Request::of(row.request.fields(), row.request.trailers.clone());
        outcome(&host.vm(0).request(request))
    }
}

fn in_state(mut host: Host, state: State) -> Host {
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

/// TV-*, FR-*, CK-*: every row of the decision table, on the module as it ships. Each row gets an answer, and none
/// of them a trap. ER-03: every bad, expired or revoked token is refused with one answer.
#[test]
fn the_decision_table_holds_on_the_module() {
    let mut hosts = Hosts::new(|start| start);
    let (mut faults, mut refusals) = (Vec::new(), Vec::new());
    let rows = rows(START);
    for row in &rows {
        let outcome = hosts.send(row);
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

/// SC-05: nor does any row depend on what the capability list leaves out.
#[test]
fn the_capability_list_changes_no_row_of_the_table() {
    let mut restricted = Hosts::new(|start| start);
    let mut unrestricted = Hosts::new(Starting::unrestricted);
    for row in rows(START) {
        let (one, other) = (restricted.send(&row), unrestricted.send(&row));
        assert_eq!(one, other, "{row:?}");
    }
    for host in restricted.started.values() {
        let is_refused = |line: &String| line.contains("capability list");
        assert!(!host.logs().iter().any(is_refused));
    }
}
