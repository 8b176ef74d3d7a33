//! The port of a host. Rows cannot tell it: on Envoy every gate has its own.

use serde_json::{Value, json};
use tests::gate::Gate;
use tests::gateway::config;
use tests::host::{Host, OWN_PORT, get};
use tests::wire;

/// `/host` is open at one host and at one port of another.
fn configuration() -> Value {
    let mut configuration = config();
    configuration["rules"] = json!([{
        "match": { "prefix": "/host", "hosts": ["one.example.com", "two.example.com:7"] },
        "require": "none",
    }]);
    configuration
}

/// The authorities, and what each gets where requests come in at this port.
fn authorities(port: u16) -> [(String, u16); 6] {
    [
        ("one.example.com".to_owned(), 200),
        (format!("one.example.com:{port}"), 200),
        ("one.example.com:7".to_owned(), 400),
        ("two.example.com:7".to_owned(), 200),
        ("two.example.com".to_owned(), 400),
        (format!("two.example.com:{port}"), 401),
    ]
}

/// FR-07: Envoy compares the port when it chooses a virtual host, so one that nobody named opens nothing.
#[test]
fn a_port_that_nobody_named_opens_nothing_on_the_module() {
    let mut envoy = Host::latchkey(&configuration()).vms(1);
    envoy.sync();
    for (authority, status) in authorities(OWN_PORT) {
        let request = get("/host")
            .without(":authority")
            .with(":authority", &authority);
        assert_eq!(envoy.vm(0).request(request).status(), status, "{authority}");
    }
}

/// FR-07: the same on Envoy, which tells the port at which a request came in.
#[test]
fn a_port_that_nobody_named_opens_nothing_on_envoy() {
    let gate = Gate::start(&configuration()).unwrap();
    let port = gate.stack.ports().gateway;
    for (authority, expected) in authorities(port) {
        let request =
            format!("GET /host HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        let status = wire::ask(port, request.as_bytes()).unwrap();
        assert_eq!(status, expected, "{authority}");
    }
}
