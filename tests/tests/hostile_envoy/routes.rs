use serde_json::json;
use tests::app::App;
use tests::gate::Gate;
use tests::issuer::{issuer, session};
use tests::ports::free_port;
use tests::stand_in::Answer;
use tests::wire;
use tests::workers::stats;

use crate::envoy_yaml::{cluster, shipped, with};
use crate::{configuration, token_of};

/// Everything but the companion's paths, as shipped.
const ROUTE: &str = "              - match: { prefix: / }\n";

/// A gate with another app, which gets what these routes send to the cluster `other`.
fn start(routes: &str, configuration: &serde_json::Value) -> (Gate, App) {
    let port = free_port().unwrap();
    let other = App::start(port).unwrap();
    let envoy = with(&shipped(), ROUTE, &format!("{routes}{ROUTE}"));
    let envoy = envoy + &cluster("other", port, "http_protocol_options");
    let mut gate =
        Gate::start_changed(&envoy, configuration, &issuer(), |_| Answer::Right).unwrap();
    gate.stack.await_ready().unwrap();
    (gate, other)
}

/// How many requests have reached the shipped app and the other one.
fn reached(gate: &Gate) -> (u64, u64) {
    let stats = stats(gate.stack.ports(), "cluster.(app|other).upstream_rq_total").unwrap();
    let count = |name: &str| stats[&format!("cluster.{name}.upstream_rq_total")];
    (count("app"), count("other"))
}

/// FR-25: Envoy chooses the route anew when the filter has set its headers, so a route may ask for an identity; and what it asks for is
/// the filter's word, never a client's.
#[test]
fn a_route_that_asks_for_an_identity_goes_by_the_filter_s_word_alone() {
    let routes = r#"              - match:
                  prefix: /
                  headers: [ { name: x-auth-roles, string_match: { exact: teller } } ]
                route: { cluster: other }
"#;
    let mut configuration = configuration();
    configuration["rules"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "match": { "prefix": "/news" }, "require": "optional" }));
    let (gate, _other) = start(routes, &configuration);
    let client = gate.stack.client().unwrap();
    let mut nobody = session("alice");
    nobody.roles = Vec::new();
    let now = token::UnixTime::from_seconds(tests::watch::unix_seconds());
    let [teller, nobody] =
        [&session("alice"), &nobody].map(|session| issuer().access_token_at(session, now));
    let to = |path: &str, token: Option<&str>| {
        let before = reached(&gate);
        let mut request = client.get(path);
        for name in ["x-auth-roles", "X_Auth_Roles"] {
            request = request.header(name, "teller");
        }
        if let Some(token) = token {
            request = request.bearer(token);
        }
        let status = request.send().unwrap().status;
        let after = reached(&gate);
        (status, after.0 - before.0, after.1 - before.1)
    };
    // Status, whether the shipped app got it, whether that of the tellers got it.
    assert_eq!(to("/orders", Some(&teller)), (200, 0, 1));
    assert_eq!(to("/orders", Some(&nobody)), (200, 1, 0));
    assert_eq!(to("/news", None), (200, 1, 0));
    assert_eq!(to("/public/page", Some(&teller)), (200, 1, 0));
    assert_eq!(to("/orders", None), (401, 0, 0));
}

/// Ways to write a path, or to name another one beside it, that some server reads as another path than the filter does.
fn disguises() -> Vec<(String, String)> {
    let paths = [
        "/public/../orders",
        "/public/..",
        "/public/./../orders",
        "/public/%2e%2e/orders",
        "/public/%2E%2E/orders",
        "/public/.%2e/orders",
        "/public/..%2forders",
        "/public%2f..%2forders",
        "/public/..%5corders",
        "/public\\..\\orders",
        "/public/..\\orders",
        "/public/..;/orders",
        "/public;/../orders",
        "/public;x=1/orders",
        "/public//../orders",
        "//public/../orders",
        "//orders",
        "/%6frders",
        "/orders%00/public",
        "/orders?/public",
        "/orders?x=/../public",
        "/orders/../orders",
        "/orders#/public",
        "/publicorders",
        "/public.orders",
        "/Public/page",
        "/PUBLIC",
        "/pub%6cic/page",
        "/%70ublic/page",
        "/public%20",
        "/public%",
        "/public%zz",
        "/public/%252e%252e/orders",
        "http://localhost/orders",
        "http://localhost//orders",
        "http://localhost/public/../orders",
        "http:/public",
        "orders",
        "*",
        "/\u{ff0e}\u{ff0e}/orders",
    ];
    let names = [
        "x-envoy-original-path",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-uri",
        "x-forwarded-path",
        "x-forwarded-prefix",
        "x-original-uri",
        "x-envoy-original-host",
        "x-envoy-decorator-operation",
        "x-http-method-override",
        "x-envoy-original-method",
    ];
    let others = names.map(|name| ("/orders".to_owned(), format!("{name}: /public/page\r\n")));
    let plain = paths.map(|path| (path.to_owned(), String::new()));
    plain.into_iter().chain(others).collect()
}

/// FR-07, FR-08: the app of the public paths and that of all others. Whatever is asked for without a token, the second gets nothing; and
/// no header names a path but the path.
#[test]
fn no_disguise_of_a_path_reaches_the_protected_app_without_a_token() {
    let routes = "              - match: { path_separated_prefix: /public }\n                route: { cluster: other }\n";
    let (gate, _other) = start(routes, &configuration());
    let port = gate.stack.ports().gateway;
    let status = |method: &str, path: &str, lines: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n"
        );
        wire::ask(port, request.as_bytes()).unwrap()
    };
    let mut before = reached(&gate);
    for (path, lines) in disguises() {
        let statuses = ["GET", "POST", "OPTIONS"].map(|method| status(method, &path, &lines));
        let passed = statuses.iter().filter(|status| **status == 200).count();
        let after = reached(&gate);
        let passed = u64::try_from(passed).unwrap();
        assert_eq!(
            after,
            (before.0, before.1 + passed),
            "{path} {lines}: {statuses:?}"
        );
        before = after;
    }
    // The other way round: a public path stays public, and is served by the public app, whatever else is named.
    let token = format!("Authorization: Bearer {}\r\n", token_of("alice"));
    for (_, lines) in disguises()
        .into_iter()
        .filter(|(_, lines)| !lines.is_empty())
    {
        let lines = lines.replace("/public/page", "/orders");
        let before = reached(&gate);
        assert_eq!(status("GET", "/public/page", &lines), 200);
        assert_eq!(
            status("GET", "/public/page", &format!("{lines}{token}")),
            200
        );
        assert_eq!(reached(&gate), (before.0, before.1 + 2), "{lines}");
    }
}
