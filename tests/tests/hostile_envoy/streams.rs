use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

use axum::http::Method;
use tests::gate::Gate;
use tests::issuer::issuer;
use tests::stand_in::Answer;
use tests::watch::Stopwatch;
use tests::wire;

use crate::envoy_yaml::{shipped, to_upstream, with};
use crate::http2::Http2;
use crate::upstream::Upgrading;
use crate::{configuration, revoke, token_of};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
/// How long a stream may live, in the tests that see it end.
pub const BOUND: Duration = Duration::from_secs(2);
/// Envoy's timers count in milliseconds of another clock.
pub const EARLY: Duration = Duration::from_millis(50);

/// A gate on this Envoy configuration that is synced.
pub fn start(envoy: &str) -> Gate {
    let mut gate =
        Gate::start_changed(envoy, &configuration(), &issuer(), |_| Answer::Right).unwrap();
    gate.stack.await_ready().unwrap();
    gate
}

/// The shipped configuration with a shorter life of streams.
pub fn bounded() -> String {
    with(
        &shipped(),
        "max_stream_duration: 900s",
        &format!("max_stream_duration: {}s", BOUND.as_secs()),
    )
}

/// An upgrade over HTTP/1.1 with these header lines: the status, and the connection.
fn upgrade(port: u16, path: &str, lines: &str) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let patience = Duration::from_secs(10);
    stream.set_read_timeout(Some(patience)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}{lines}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.extend(byte);
    }
    (wire::status(&head), stream)
}

/// Whether these bytes come back.
fn echoes(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let mut back = vec![0; bytes.len()];
    stream.write_all(bytes).is_ok() && stream.read_exact(&mut back).is_ok() && back == bytes
}

/// FR-10: a WebSocket opens with a good token alone, and the app sees who it is.
#[test]
fn a_websocket_opens_with_a_good_token_and_not_without_or_with_a_revoked_one() {
    let app = Upgrading::start();
    let gate = start(&to_upstream(&shipped(), app.port, "http_protocol_options"));
    let port = gate.stack.ports().gateway;
    let (good, revoked) = (token_of("alice"), token_of("bob"));
    revoke(&gate, "bob");
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for (lines, expected) in [
        (String::new(), 401),
        (bearer(&revoked), 401),
        (bearer("a.b.c"), 401),
        ("Upgrade: h2c\r\n".to_owned() + &bearer(&good), 403),
    ] {
        assert_eq!(upgrade(port, "/orders", &lines).0, expected, "{lines}");
    }
    assert_eq!(app.received(), "");
    let forged = "X-Auth-Subject: admin\r\nX-Auth-Gate: pass\r\n";
    let (status, mut stream) = upgrade(port, "/orders", &(bearer(&good) + forged));
    assert_eq!(status, 101);
    assert!(echoes(&mut stream, b"\x81\x05hello"));
    let received = app.received();
    let subject = tests::issuer::session("alice").subject;
    assert!(received.contains(&format!("x-auth-subject: {subject}\r\n")));
    for absent in ["admin", "x-auth-gate", &good] {
        assert!(!received.contains(absent), "{absent} in {received}");
    }
}

/// FR-01: the next hop removes what `Connection` names, so a client must not name identity headers there. Envoy itself passes the header of
/// an upgrade on as it is.
#[test]
fn an_upgrade_cannot_have_identity_headers_removed_behind_the_gate() {
    let app = Upgrading::start();
    let gate = start(&to_upstream(&shipped(), app.port, "http_protocol_options"));
    let named = format!(
        "Connection: X-Auth-Subject, X-Auth-Session\r\nAuthorization: Bearer {}\r\n",
        token_of("alice")
    );
    let (status, mut stream) = upgrade(gate.stack.ports().gateway, "/orders", &named);
    assert_eq!(status, 101);
    assert!(echoes(&mut stream, b"\x81\x05hello"));
    let received = app.received().to_ascii_lowercase();
    let connection: Vec<_> = received
        .lines()
        .filter(|line| line.starts_with("connection:"))
        .collect();
    assert_eq!(connection, ["connection: upgrade"], "{received}");
    let subject = tests::issuer::session("alice").subject;
    assert!(received.contains(&format!("x-auth-subject: {subject}\r\n")));
}

/// CK-05: a page of another site can open a WebSocket with the cookie of its visitor, so the cookie alone opens none.
#[test]
fn a_websocket_with_the_cookie_opens_from_our_own_origin_only() {
    let app = Upgrading::start();
    let mut configuration = configuration();
    configuration["credentials"] = serde_json::json!({ "cookie": "__Host-access" });
    configuration["allowed_origins"] = serde_json::json!(["https://www.example.com"]);
    let envoy = to_upstream(&shipped(), app.port, "http_protocol_options");
    let mut gate =
        Gate::start_changed(&envoy, &configuration, &issuer(), |_| Answer::Right).unwrap();
    gate.stack.await_ready().unwrap();
    let port = gate.stack.ports().gateway;
    let cookie = format!("Cookie: __Host-access={}\r\n", token_of("alice"));
    for (origin, expected) in [
        ("", 403),
        ("Origin: null\r\n", 403),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: https://www.example.com.evil.example\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Origin: https://www.example.com\r\n", 101),
        ("Sec-Fetch-Site: same-origin\r\n", 101),
    ] {
        let (status, _) = upgrade(port, "/orders", &format!("{cookie}{origin}"));
        assert_eq!(status, expected, "{origin}");
    }
    assert!(!app.received().contains("evil"));
}

/// FR-10, RFC 8441: the same over HTTP/2, and no CONNECT of the plain kind in either version.
#[test]
fn extended_connect_is_a_websocket_like_any_other_and_plain_connect_opens_nothing() {
    let app = Upgrading::start();
    let gate = start(&to_upstream(&shipped(), app.port, "http_protocol_options"));
    let port = gate.stack.ports().gateway;
    let [good, revoked] = ["alice", "bob"].map(|name| format!("Bearer {}", token_of(name)));
    revoke(&gate, "bob");
    let client = Http2::connect(port);
    // The settings that allow it have come with the first answer.
    let status = |method: &Method, protocol, token: Option<&str>| {
        let headers: Vec<_> = token
            .map(|token| ("authorization", token))
            .into_iter()
            .collect();
        client.open(method, protocol, &headers).status
    };
    assert_eq!(status(&Method::GET, None, None), 401);
    assert_eq!(status(&Method::CONNECT, Some("websocket"), None), 401);
    assert_eq!(
        status(&Method::CONNECT, Some("websocket"), Some(&revoked)),
        401
    );
    for token in [None, Some(good.as_str())] {
        let plain = status(&Method::CONNECT, None, token);
        assert!((400..500).contains(&plain), "{plain}");
        let other = status(&Method::CONNECT, Some("connect-udp"), token);
        assert!((400..500).contains(&other), "{other}");
    }
    let line = format!("Authorization: {good}\r\n");
    for target in ["localhost:443", "/orders"] {
        let request = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: localhost:443\r\n{line}Connection: close\r\n\r\n"
        );
        let answer = wire::exchange(port, request.as_bytes()).unwrap();
        let status = wire::status(&answer);
        assert!((400..500).contains(&status), "{target}: {status}");
    }
    assert_eq!(app.received(), "");
    let headers = [
        ("authorization", good.as_str()),
        ("x-auth-subject", "admin"),
    ];
    let mut stream = client.open(&Method::CONNECT, Some("websocket"), &headers);
    assert_eq!(stream.status, 200);
    assert_eq!(
        stream.exchange(b"\x81\x05hello").unwrap(),
        b"\x81\x05hello".as_slice()
    );
    assert!(!app.received().contains("admin"));
}

/// FR-10: what an attacker sends behind an upgrade that the app does not take is never read as a request of its own, least of all one
/// that no filter has seen.
#[test]
fn nothing_is_smuggled_behind_an_upgrade_that_the_app_refuses() {
    let app = Upgrading::start();
    let gate = start(&to_upstream(&shipped(), app.port, "http_protocol_options"));
    let port = gate.stack.ports().gateway;
    let behind = "GET /orders HTTP/1.1\r\nHost: localhost\r\nX-Auth-Subject: admin\r\n\r\n";
    for refused in [
        "X-Refuse: yes\r\n\r\n",
        "Content-Length: 3\r\nX-Refuse: yes\r\n\r\n",
    ] {
        let request =
            format!("GET /public/x HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}{refused}{behind}");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let patience = Duration::from_secs(10);
        stream.set_read_timeout(Some(patience)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut answer);
        let answers = String::from_utf8_lossy(&answer)
            .matches("HTTP/1.1 ")
            .count();
        assert!(answers <= 1, "{}", String::from_utf8_lossy(&answer));
    }
    // The companion's routes take no upgrade at all.
    assert_eq!(upgrade(port, "/auth/v1/sessions", "").0, 403);
    let received = app.received();
    assert!(
        !received.contains("/orders") && !received.contains("admin"),
        "{received}"
    );
}

/// RV-13: the token is checked when a stream opens. The revocation ends no stream, the bound does; and no new one opens.
#[test]
fn a_websocket_outlives_its_session_by_no_more_than_the_bound() {
    let app = Upgrading::start();
    let gate = start(&to_upstream(&bounded(), app.port, "http_protocol_options"));
    let port = gate.stack.ports().gateway;
    let line = format!("Authorization: Bearer {}\r\n", token_of("alice"));
    let watch = Stopwatch::start();
    let (status, mut stream) = upgrade(port, "/orders", &line);
    assert_eq!(status, 101);
    revoke(&gate, "alice");
    assert_eq!(upgrade(port, "/orders", &line).0, 401);
    while echoes(&mut stream, b"still here") {
        assert!(watch.elapsed() < BOUND * 2);
    }
    assert!(watch.elapsed() + EARLY >= BOUND, "{:?}", watch.elapsed());
}
