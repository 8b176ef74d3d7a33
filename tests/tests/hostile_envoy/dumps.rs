use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tests::client::Client;
use tests::forge;
use tests::gate::Gate;
use tests::issuer::{issuer, session};
use tests::ports::{Ports, free_port};
use tests::rewrite::with_filter_configuration;
use tests::stack::Setup;
use tests::stand_in::{Answer, Asked, GATEWAY_TOKEN};
use tests::watch::{Stopwatch, unix_seconds, wait_for};
use token::{Algorithm, UnixTime};

use crate::answers::Callers;
use crate::envoy_yaml::{shipped, with};
use crate::{configuration, revoke, token_of};

const PATIENCE: Duration = Duration::from_secs(10);

fn gate_with(envoy: &str) -> Gate {
    let mut configuration = configuration();
    configuration["credentials"] = json!({ "header": true, "cookie": "__Host-access" });
    // Envoy keeps lines of the access log for 10 s otherwise.
    let mut setup = Setup::on(Ports::free().unwrap()).envoy(&["--file-flush-interval-msec", "50"]);
    setup.configuration = Some(with_filter_configuration(envoy, &configuration).unwrap());
    let mut gate = Gate::start_on(setup, &issuer(), |_| Answer::Right).unwrap();
    gate.stack.await_ready().unwrap();
    gate
}

/// CF-06, FR-18: what an operator, or who has got at Envoy's admin interface, can read of tokens: nothing. The log has Envoy's own format
/// and the details.
#[test]
fn no_dump_no_counter_and_no_log_holds_a_token() {
    let log = r#"          codec_type: AUTO
          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format: { text_format_source: { inline_string: "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %REQ(X-FORWARDED-FOR)% %REQ(USER-AGENT)%\n" } }
"#;
    let gate = gate_with(&with(&shipped(), "          codec_type: AUTO\n", log));
    revoke(&gate, "bob");
    let client = gate.stack.client().unwrap();
    let admin = Client::new(gate.stack.ports().envoy_admin).unwrap();
    let (good, revoked) = (token_of("alice"), token_of("bob"));
    let broken = good.replacen('.', ".A", 1);
    let mut statuses = Vec::new();
    for token in [&good, &revoked, &broken] {
        let cookie = format!("__Host-access={token}");
        let requests = [
            client.get("/orders").bearer(token),
            client.get("/orders").header("cookie", &cookie),
            client
                .get("/orders")
                .header("cookie", &cookie)
                .bearer(token),
            client
                .get("/public/page")
                .header("cookie", &cookie)
                .bearer(token),
        ];
        statuses.extend(requests.map(|request| request.send().unwrap().status));
    }
    assert_eq!(
        statuses,
        [200, 200, 400, 200, 401, 401, 400, 200, 401, 401, 400, 200]
    );
    let mut told = wait_for("the access log", PATIENCE, || {
        let log = gate.stack.envoy().unwrap().log();
        let lines = log.matches("GET /orders ").count() + log.matches("GET /public/page ").count();
        Ok((lines == statuses.len()).then_some(log))
    })
    .unwrap();
    assert!(
        told.contains("GET /orders 401 - latchkey_revoked"),
        "{told}"
    );
    for path in [
        "/config_dump?include_eds",
        "/stats",
        "/stats/prometheus",
        "/clusters",
        "/server_info",
        "/listeners",
        "/certs",
    ] {
        let answer = admin.get(path).send().unwrap();
        told += &answer.expect(200, path).unwrap().text();
    }
    // What is looked at is not nothing: the configuration of the filter is in it.
    assert!(told.contains("LATCHKEY_GATEWAY_TOKEN") && told.contains("ready_path"));
    for token in [&good, &revoked, &broken] {
        for part in token.split('.') {
            assert!(!told.contains(part), "{part}");
        }
    }
    assert!(!told.contains(GATEWAY_TOKEN));
}

/// KR-06: nobody makes a gate ask for keys, or ask more often, by naming keys.
#[test]
fn a_flood_of_unknown_keys_fetches_nothing() {
    let gate = gate_with(&shipped());
    let callers = Callers::at_both_workers(gate.stack.ports());
    let count = |asked: fn(&Asked) -> bool| {
        let calls = gate.companion.calls();
        calls.iter().filter(|call| asked(&call.asked)).count()
    };
    let keys = count(|asked| *asked == Asked::Keys);
    let polls = count(|asked| matches!(asked, Asked::Poll(_)));
    let now = UnixTime::from_seconds(unix_seconds());
    let stopwatch = Stopwatch::start();
    for secret in 100..228 {
        let stranger = tests::issuer::signing_key(Algorithm::Es256, secret);
        let token = token::issue(&issuer().claims(&session("alice"), now), &stranger);
        assert_eq!(callers.statuses(&token), [401, 401]);
    }
    assert_eq!(count(|asked| *asked == Asked::Keys), keys);
    let seconds = usize::try_from(stopwatch.elapsed().as_secs()).unwrap();
    let polled = count(|asked| matches!(asked, Asked::Poll(_))) - polls;
    assert!(polled <= seconds + 2, "{polled} polls in {seconds} s");
    assert_eq!(callers.statuses(&token_of("alice")), [200, 200]);
}

/// TV-06: keys that a token carries or points to are neither used nor fetched.
#[test]
fn a_token_that_points_to_its_key_causes_no_connection() {
    let port = free_port().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let gate = gate_with(&shipped());
    let callers = Callers::at_both_workers(gate.stack.ports());
    let now = UnixTime::from_seconds(unix_seconds());
    let payload = serde_json::to_string(&issuer().claims(&session("alice"), now)).unwrap();
    let url = format!("http://127.0.0.1:{port}/keys.json");
    let stranger = tests::issuer::signing_key(Algorithm::Es256, 99);
    for (name, value) in [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        (
            "jwk",
            json!({ "kty": "EC", "crv": "P-256", "x": url, "y": url }),
        ),
        ("x5c", json!([url])),
        ("x5t", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("kid", json!(url)),
        ("iss", json!(url)),
    ] {
        let unknown = name == "kid";
        let header = forge::with(forge::header(&issuer()), name, Some(value));
        // Signed by the key of its `kid`, the other members count for nothing; without that key nothing helps.
        let status = if unknown { 401 } else { 200 };
        assert_eq!(
            callers.statuses(&forge::es256(&header, &payload)),
            [status; 2],
            "{name}"
        );
        let other = header.replace(issuer().access_key().kid(), stranger.kid());
        assert_eq!(
            callers.statuses(&forge::es256(&other, &payload)),
            [401; 2],
            "{name}"
        );
    }
    // What would be asked for would be asked for by now: the next page has come.
    revoke(&gate, "bob");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(connections.load(Ordering::Relaxed), 0);
    drop(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap());
}
