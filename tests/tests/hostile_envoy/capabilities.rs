use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tests::client::Client;
use tests::gate::Gate;
use tests::issuer::issuer;
use tests::stack::READY_PATH;
use tests::stand_in::Answer;
use tests::watch::wait_for;

use crate::envoy_yaml::{shipped, with};
use crate::{configuration, token_of};

const RESTRICTION: &str =
    "                  capability_restriction_config:\n                    allowed_capabilities:\n";
const ENTRY: &str = "                      ";
/// How long a gate may take until it answers as the others do.
const PATIENCE: Duration = Duration::from_secs(3);
/// Envoys that run at the same time.
const AT_ONCE: usize = 6;

/// The capabilities of the shipped list.
fn listed() -> Vec<String> {
    let shipped = shipped();
    let (_, list) = shipped.split_once(RESTRICTION).unwrap();
    list.lines()
        .map_while(|line| line.strip_prefix(ENTRY))
        .map(|line| line.trim_end_matches(": {}").to_owned())
        .collect()
}

fn unrestricted() -> String {
    let shipped = shipped();
    let (before, list) = shipped.split_once(RESTRICTION).unwrap();
    let after: Vec<_> = list
        .lines()
        .skip_while(|line| line.starts_with(ENTRY))
        .collect();
    format!("{before}{}\n", after.join("\n"))
}

fn without(capability: &str) -> String {
    let line = format!("{ENTRY}{capability}: {{}}\n");
    // A request that the filter holds and cannot answer would be kept for a minute.
    let shipped = with(
        &shipped(),
        "stream_idle_timeout: 60s",
        "stream_idle_timeout: 1s",
    );
    with(&shipped, &line, "")
}

/// With a rule for which the filter asks at which port a request came in.
fn with_a_host() -> Value {
    let mut configuration = configuration();
    let rules = configuration["rules"].as_array_mut().unwrap();
    rules.push(json!({
        "match": { "prefix": "/host", "hosts": ["localhost", "127.0.0.1"] },
        "require": "none",
    }));
    configuration
}

/// What clients get at a gate with this Envoy configuration, once it is `right` or has had its time; nothing where Envoy does not start.
fn results(envoy: &str, right: Option<&[String]>) -> Option<Vec<String>> {
    let gate = Gate::start_changed(envoy, &with_a_host(), &issuer(), |_| Answer::Right);
    let gate = gate.ok()?;
    gate.companion.revoke(tests::issuer::session("bob").id);
    let client = gate.stack.client().unwrap();
    let mut found = Vec::new();
    let is_right = wait_for("the usual results", PATIENCE, || {
        found = asked(&client);
        let is_right = match right {
            Some(right) => found == right,
            None => {
                found.contains(&"ready: 200 []".to_owned())
                    && found.contains(&"revoked: 401 []".to_owned())
            }
        };
        Ok(is_right.then_some(()))
    });
    assert!(right.is_some() || is_right.is_ok(), "{found:#?}");
    // Whether a VM traps for want of a capability is not asked: a trap is a closed gate too.
    let _ = gate.stack.stop();
    Some(found)
}

/// Name, status, and the identity that reached the app, of each kind of request.
fn asked(client: &Client) -> Vec<String> {
    let forged = |path: &str| {
        client
            .get(path)
            .header("x-auth-subject", "admin")
            .header("x_auth_roles", "admin")
    };
    let requests = [
        ("ready", client.get(READY_PATH)),
        ("none", forged("/orders")),
        ("public", forged("/public/page")),
        ("host", forged("/host")),
        ("good", forged("/orders").bearer(&token_of("alice"))),
        ("bad", forged("/orders").bearer("a.b.c")),
        ("revoked", forged("/orders").bearer(&token_of("bob"))),
        (
            "ambiguous",
            client.get("/public/%3b").bearer(&token_of("alice")),
        ),
    ];
    let answers = requests.map(|(name, request)| {
        let answer = request.send().unwrap();
        let identity: Vec<_> = ["x-auth-subject", "x_auth_roles", "authorization"]
            .into_iter()
            .flat_map(|name| answer.echoed(name))
            .collect();
        format!("{name}: {} {identity:?}", answer.status)
    });
    answers.to_vec()
}

/// SC-05: the restriction takes nothing away that the filter needs.
#[test]
fn the_shipped_list_of_capabilities_changes_no_result() {
    let free = results(&unrestricted(), None).unwrap();
    assert_eq!(results(&shipped(), None).unwrap(), free);
    let subject = tests::issuer::session("alice").subject;
    assert_eq!(
        free,
        [
            "ready: 200 []".to_owned(),
            "none: 401 []".to_owned(),
            "public: 200 []".to_owned(),
            "host: 200 []".to_owned(),
            format!("good: 200 [\"{subject}\"]"),
            "bad: 401 []".to_owned(),
            "revoked: 401 []".to_owned(),
            "ambiguous: 400 []".to_owned(),
        ]
    );
}

/// Without these nothing changes in the answer to any of these requests. Most cost logs, metrics, or the memory of past requests. One
/// costs more: without `proxy_on_request_trailers` the filter never sees a client's trailers, and an app that reads identity headers from
/// trailers would read the client's (docs/OPERATIONS.md says so).
const UNNOTICED: [&str; 9] = [
    "fd_write",
    "proc_exit",
    "proxy_define_metric",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_on_delete",
    "proxy_on_request_trailers",
    "proxy_on_vm_start",
    "proxy_record_metric",
];

/// FR-11, FR-21: an operator who shortens the list gets a gate that is closed, or one that decides as before; never one that is open.
#[test]
fn without_any_one_capability_the_gate_is_closed_or_decides_as_before() {
    let right = results(&shipped(), None).unwrap();
    let all = Mutex::new(listed());
    let outcomes = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(capability) = all.lock().unwrap().pop() else {
                        return;
                    };
                    let found = results(&without(&capability), Some(&right));
                    outcomes.lock().unwrap().insert(capability, found);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    assert_eq!(outcomes.len(), listed().len());
    let mut unnoticed = Vec::new();
    for (capability, found) in &outcomes {
        println!("without {capability}: {found:?}");
        let Some(found) = found else { continue };
        if *found == right {
            unnoticed.push(capability.as_str());
        }
        for (found, right) in found.iter().zip(&right) {
            // Nobody gets further than before, with an identity that is not his.
            let is_closed = found.split(' ').nth(1) != Some("200") && found.ends_with("[]");
            assert!(found == right || is_closed, "without {capability}: {found}");
        }
    }
    assert_eq!(unnoticed, UNNOTICED);
}
