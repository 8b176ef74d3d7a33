use std::path::Path;

use tests::client::Client;
use tests::place;
use tests::stack::Stack;
use tests::visitor::Visitor;

use crate::authority::Authority;
use crate::setup;

/// The shipped configuration for a companion whose internal listener serves TLS, as docs/OPERATIONS.md has it.
fn with_tls(ca: &Path) -> String {
    let socket = |deeper: &str| {
        [
            "transport_socket:",
            "  name: envoy.transport_sockets.tls",
            "  typed_config:",
            "    \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "    sni: localhost",
            "    common_tls_context:",
            "      validation_context:",
            &format!("        trusted_ca: {{ filename: \"{}\" }}", ca.display()),
            "        match_typed_subject_alt_names: [ { san_type: DNS, matcher: { exact: localhost } } ]",
        ]
        .map(|line| format!("{deeper}{line}\n"))
        .concat()
    };
    // The health checks of the public cluster ask the internal listener.
    let matches = [
        "    transport_socket_matches:\n    - name: internal\n      match: { internal: true }\n",
        &socket("      "),
        "    - name: public\n      match: {}\n      transport_socket:\n        name: envoy.transport_sockets.raw_buffer\n",
        "        typed_config: { \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer }\n",
    ]
    .concat();
    let shipped = place::shipped_configuration().unwrap();
    let check = "http_health_check: { path: /readyz, host: companion } }";
    let checked = format!(
        "{}, transport_socket_match_criteria: {{ internal: true }} }}",
        &check[..check.len() - 2]
    );
    let place = |cluster: &str| format!("    load_assignment:\n      cluster_name: {cluster}\n");
    let (public, internal) = (place("companion_public"), place("companion_internal"));
    for part in [check, &public, &internal] {
        assert!(shipped.contains(part), "{part}");
    }
    shipped
        .replacen(check, &checked, 1)
        .replace(&public, &format!("{matches}{public}"))
        .replace(&internal, &format!("{}{internal}", socket("    ")))
}

/// CF-05: the gate polls, acknowledges and fetches keys over TLS that it verifies; health checks too.
#[test]
fn a_gate_polls_an_internal_listener_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let certificate = ours.sign("server", "localhost");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let mut setup = setup()
        .companion("LATCHKEY_TLS_CERT", &path(&certificate.chain))
        .companion("LATCHKEY_TLS_KEY", &path(&certificate.key));
    setup.configuration = Some(with_tls(&ours.file));
    let stack = Stack::start(setup).unwrap();
    let client = stack.client().unwrap();
    let alice = Visitor::named("alice");
    alice.register(&client, &stack.mailbox()).unwrap();
    let tokens = alice.login(&client).unwrap();
    assert_eq!(tokens.call(&client).unwrap().status, 200);
    let logout = tokens
        .log_out(&client)
        .unwrap()
        .expect(200, "logout")
        .unwrap();
    assert_eq!(
        logout.json()["revocation"]["gateways"]["applied"],
        1,
        "{}",
        logout.text()
    );
    assert_eq!(tokens.call(&client).unwrap().status, 401);

    let admin = Client::new(stack.ports().envoy_admin).unwrap();
    let stats = admin
        .get("/stats?filter=cluster.companion_")
        .send()
        .unwrap()
        .text();
    let figure = |name: &str| {
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name}: {stats}"))
            .parse::<u64>()
            .unwrap()
    };
    assert!(figure("cluster.companion_internal.ssl.handshake") > 0);
    for cluster in ["public", "internal"] {
        // The first check may come before the companion listens.
        let healthy = figure(&format!("cluster.companion_{cluster}.health_check.healthy"));
        assert_eq!(healthy, 1, "{cluster}: {stats}");
    }
    stack.stop().unwrap();
}
