use axum::http::{HeaderMap, Method};
use tests::gate::Gate;
use tests::issuer::issuer;
use tests::stand_in::Answer;
use tests::watch::Stopwatch;

use crate::envoy_yaml::{shipped, to_upstream};
use crate::http2::{Http2, Stream};
use crate::streams::{BOUND, EARLY, bounded, start};
use crate::upstream::Grpc;
use crate::{configuration, revoke, token_of};

const GRPC: &str = "application/grpc";

/// The gRPC status of an answer that is over with its headers: 16 is UNAUTHENTICATED, 14 UNAVAILABLE.
fn grpc_status(stream: &Stream<'_>) -> String {
    assert_eq!(stream.status, 200);
    stream.headers["grpc-status"].to_str().unwrap().to_owned()
}

/// FR-10, FR-01: gRPC clients get a status of their own, and no trailer of theirs names an identity.
#[test]
fn a_grpc_call_gets_a_grpc_status_and_its_trailers_are_cleaned() {
    let app = Grpc::start();
    let gate = start(&to_upstream(&shipped(), app.port, "http2_protocol_options"));
    let client = Http2::connect(gate.stack.ports().gateway);
    let [good, revoked] = ["alice", "bob"].map(|name| format!("Bearer {}", token_of(name)));
    revoke(&gate, "bob");
    let open = |token: Option<&str>| {
        let mut headers = vec![("content-type", GRPC), ("te", "trailers")];
        headers.extend(token.map(|token| ("authorization", token)));
        client.open(&Method::POST, None, &headers)
    };
    for token in [None, Some("Bearer a.b.c"), Some(revoked.as_str())] {
        assert_eq!(grpc_status(&open(token)), "16", "{token:?}");
    }
    assert!(app.received().is_empty());
    let mut stream = open(Some(&good));
    assert_eq!(stream.status, 200);
    let message = b"\0\0\0\0\x05hello";
    assert_eq!(stream.exchange(message).unwrap(), message.as_slice());
    let mut trailers = HeaderMap::new();
    for name in ["x-auth-subject", "x_auth_roles", "x-other"] {
        trailers.insert(name, "admin".parse().unwrap());
    }
    assert_eq!(stream.finish(trailers).unwrap()["grpc-status"], "0");
    let [headers, trailers] = app.received().try_into().unwrap();
    assert_eq!(headers.get_all("x-auth-subject").iter().count(), 1);
    assert!(!headers.contains_key("authorization"));
    let names: Vec<_> = trailers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["x-other"]);
}

/// FR-10, FR-14: 14 is what gRPC clients try again.
#[test]
fn a_grpc_call_before_the_first_page_is_unavailable() {
    let app = Grpc::start();
    let envoy = to_upstream(&shipped(), app.port, "http2_protocol_options");
    let gate =
        Gate::start_changed(&envoy, &configuration(), &issuer(), |_| Answer::Status(500)).unwrap();
    let client = Http2::connect(gate.stack.ports().gateway);
    let token = format!("Bearer {}", token_of("alice"));
    let headers = [("content-type", GRPC), ("authorization", token.as_str())];
    assert_eq!(
        grpc_status(&client.open(&Method::POST, None, &headers)),
        "14"
    );
    assert!(app.received().is_empty());
}

/// RV-13, for a gRPC stream.
#[test]
fn a_grpc_stream_outlives_its_session_by_no_more_than_the_bound() {
    let app = Grpc::start();
    let gate = start(&to_upstream(&bounded(), app.port, "http2_protocol_options"));
    let client = Http2::connect(gate.stack.ports().gateway);
    let token = format!("Bearer {}", token_of("alice"));
    let headers = [("content-type", GRPC), ("authorization", token.as_str())];
    let watch = Stopwatch::start();
    let mut stream = client.open(&Method::POST, None, &headers);
    revoke(&gate, "alice");
    while stream.exchange(b"still here").is_some() {
        assert!(watch.elapsed() < BOUND * 2);
    }
    assert!(watch.elapsed() + EARLY >= BOUND, "{:?}", watch.elapsed());
    assert_eq!(
        grpc_status(&client.open(&Method::POST, None, &headers)),
        "16"
    );
}
