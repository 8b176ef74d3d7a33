//! Which rule a request meets: prefix, path, methods, hosts, the first match.

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Own, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let mut rows = Vec::new();
    let open = Expected::anonymous;
    let closed = Expected::missing;
    for (name, request, expected) in [
        ("no rule matches", Request::get("/unheard-of"), closed()),
        ("the root", Request::get("/"), closed()),
        ("a rule that says token", Request::get("/token"), closed()),
        (
            "a rule that says nothing but forward",
            Request::get("/forwarded"),
            closed(),
        ),
        (
            "the first match opens",
            Request::get("/order/first/a"),
            open(),
        ),
        (
            "a later match does not",
            Request::get("/order/second"),
            closed(),
        ),
        ("a listed method", Request::new("PUT", "/feedback"), open()),
        (
            "another listed method",
            Request::new("PATCH", "/feedback"),
            open(),
        ),
        (
            "a method that is not listed",
            Request::post("/feedback"),
            closed(),
        ),
        (
            "a listed method by another header",
            Request::post("/feedback").header("X-HTTP-Method-Override", "PUT"),
            closed(),
        ),
        (
            "a listed method below the exact path",
            Request::new("PUT", "/feedback/a"),
            closed(),
        ),
        ("an exact path", Request::get("/status"), open()),
        (
            "an exact path with a query",
            Request::get("/status?a=/b"),
            open(),
        ),
        (
            "an exact path with a final slash",
            Request::get("/status/"),
            closed(),
        ),
        ("below an exact path", Request::get("/status/a"), closed()),
        (
            "an exact path that goes on",
            Request::get("/statuses"),
            closed(),
        ),
        (
            "an exact path in another case",
            Request::get("/Status"),
            closed(),
        ),
        (
            "a prefix with a final slash in the rule",
            Request::get("/public"),
            open(),
        ),
        ("a prefix and a slash", Request::get("/public/"), open()),
        ("below a prefix", Request::get("/public/a/b"), open()),
    ] {
        rows.push(row(
            format!("rules: {name}"),
            "FR-08 FR-26",
            request,
            expected,
        ));
    }
    for method in ["put", "Put", "PUTX"] {
        let request = Request::new(method, "/feedback");
        let name = format!("rules: the method {method} where PUT is listed");
        // Envoy's parser of HTTP/1.1 knows the registered methods alone.
        rows.push(row(name, "FR-26", request, closed()).http1(Own::Status(400)));
    }
    for (host, is_open) in [
        ("one.example.com", true),
        ("ONE.example.com", true),
        ("two.example.com", false),
        ("one.example.com.evil.test", false),
        ("xone.example.com", false),
        ("a.one.example.com", false),
        ("example.com", false),
    ] {
        let expected = if is_open { open() } else { closed() };
        rows.push(row(
            format!("hosts: {host} for one host"),
            "FR-26",
            Request::get("/host/one").host(host),
            expected,
        ));
    }
    for (host, is_open) in [
        ("a.shop.example.com", true),
        ("a.b.shop.example.com", true),
        ("shop.example.com", false),
        ("xshop.example.com", false),
        ("a.shop.example.com.evil.test", false),
        ("a.shopxexample.com", false),
    ] {
        let expected = if is_open { open() } else { closed() };
        rows.push(row(
            format!("hosts: {host} for all below one"),
            "FR-26",
            Request::get("/host/below").host(host),
            expected,
        ));
    }
    for host in [
        "one.example.com,evil.test",
        "evil.test@one.example.com",
        "one.example.com/x",
        "one.example.com.",
        "one.example.com.:8443",
        "one.example.com:1",
        "ONE.example.com:1",
        "one..example.com",
        ".one.example.com",
        "one.example.com:x",
    ] {
        let request = Request::get("/host/one").host(host);
        let mut ambiguous = row(
            format!("hosts: ambiguous {host:?}"),
            "FR-07 FR-26",
            request,
            Expected::ambiguous(),
        );
        if host.contains(['@', '/']) {
            ambiguous = ambiguous.http2(Own::Reset);
        }
        if host.contains('/') {
            ambiguous = ambiguous.http1(Own::Status(400));
        }
        rows.push(ambiguous);
    }
    let forged = Request::get("/host/one").header("X-Forwarded-Host", "one.example.com");
    rows.push(row(
        "hosts: another header names the host",
        "FR-07 FR-26",
        forged,
        closed(),
    ));
    let good = tokens.good();
    let known = || Expected::known(&tokens.alice);
    for (name, request, expected) in [
        (
            "optional without credential",
            Request::get("/news/a"),
            open(),
        ),
        (
            "optional with a good token",
            Request::get("/news/a").bearer(&good),
            known(),
        ),
        (
            "optional with a good cookie",
            Request::get("/news/a").cookie(&good),
            known(),
        ),
        (
            "optional with a bad token",
            Request::get("/news/a").bearer("bad"),
            Expected::invalid(),
        ),
        (
            "optional with an expired token",
            Request::get("/news/a").bearer(tokens.expired()),
            Expected::invalid(),
        ),
        (
            "optional with a bad cookie",
            Request::get("/news/a").cookie("bad"),
            Expected::invalid(),
        ),
        (
            "optional with another scheme",
            Request::get("/news/a").header("Authorization", "Basic YTpi"),
            open().with_authorization("Basic YTpi"),
        ),
        (
            "optional with a cross-site POST",
            Request::post("/news/a").cookie(&good),
            Expected::cross_origin(),
        ),
        (
            "a good token where no rule matches",
            Request::get("/unheard-of").bearer(&good),
            known(),
        ),
        (
            "a good token where a rule says token",
            Request::get("/token").bearer(&good),
            known(),
        ),
        (
            "a good token at a public path tells nothing",
            Request::get("/public/a").bearer(&good),
            open(),
        ),
    ] {
        rows.push(row(format!("rules: {name}"), "FR-26", request, expected));
    }
    rows
}
