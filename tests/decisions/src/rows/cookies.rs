//! The access cookie among others (CK-11): copies, names that imitate it, quotes, crumbs of HTTP/2.

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let (good, revoked) = (tokens.good(), tokens.revoked());
    let ours = format!("__Host-access={good}");
    let get = |lines: &[&str]| {
        lines.iter().fold(Request::get("/orders"), |request, line| {
            request.header("Cookie", line)
        })
    };
    let known = |others: &[&str]| Expected::known(&tokens.alice).with_cookies(others);
    let mut rows = Vec::new();
    for (name, lines, others) in [
        ("alone", vec![ours.clone()], vec![]),
        (
            "among others",
            vec![format!("a=1; {ours}; b=2")],
            vec!["a=1", "b=2"],
        ),
        (
            "without blanks",
            vec![format!("a=1;{ours};b=2")],
            vec!["a=1", "b=2"],
        ),
        (
            "in the second line",
            vec!["a=1".to_owned(), ours.clone()],
            vec!["a=1"],
        ),
        (
            "in crumbs",
            vec!["a=1".to_owned(), ours.clone(), "b=2".to_owned()],
            vec!["a=1", "b=2"],
        ),
        ("between empty ones", vec![format!(";; {ours} ;;")], vec![]),
        (
            "in another spelling of the header",
            vec![ours.clone()],
            vec![],
        ),
        (
            "beside a longer name",
            vec![format!("__Host-access2=x; {ours}")],
            vec!["__Host-access2=x"],
        ),
        (
            "beside another case",
            vec![format!("__host-access=x; {ours}")],
            vec!["__host-access=x"],
        ),
        (
            "beside another prefix",
            vec![format!("__Secure-access=x; {ours}; access=y")],
            vec!["__Secure-access=x", "access=y"],
        ),
        (
            "beside a nameless one that holds it",
            vec![format!("=__Host-access=x; {ours}")],
            vec!["=__Host-access=x"],
        ),
        (
            "beside one whose value holds it",
            vec![format!("a=__Host-access=x; {ours}")],
            vec!["a=__Host-access=x"],
        ),
        (
            "beside the refresh cookie",
            vec![format!("{ours}; __Secure-refresh=x")],
            vec!["__Secure-refresh=x"],
        ),
        (
            "beside 100 others",
            vec![format!("{}{ours}", "a=1; ".repeat(100))],
            vec!["a=1"; 100],
        ),
        (
            "with a tab around it",
            vec![format!("a=1;\t{ours}\t; b=2")],
            vec!["a=1", "b=2"],
        ),
    ] {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        rows.push(row(
            format!("cookie: {name}"),
            "CK-11 FR-18",
            get(&lines),
            known(&others),
        ));
    }
    let double = format!("{ours}; {ours}");
    let shadowed = format!("__Host-access=x; {ours}");
    let twice_revoked = format!("{ours}; __Host-access={revoked}");
    for (name, lines) in [
        ("the same twice in a line", vec![double.as_str()]),
        ("the same in two lines", vec![&ours, &ours]),
        ("a bad one first", vec![&shadowed]),
        ("a bad one in a line before", vec!["__Host-access=x", &ours]),
        (
            "a bad one in a line behind",
            vec![&ours, "a=1", "__Host-access=x"],
        ),
        ("a revoked one behind", vec![&twice_revoked]),
        ("an empty one first", vec!["__Host-access=", &ours]),
        (
            "one without a sign of equality first",
            vec!["__Host-access", &ours],
        ),
        (
            "a blank before the sign of equality",
            vec!["__Host-access =x", &ours],
        ),
        ("two bad ones", vec!["__Host-access=x; __Host-access=y"]),
    ] {
        rows.push(row(
            format!("two cookies: {name}"),
            "CK-11 FR-03",
            get(&lines),
            Expected::many(),
        ));
    }
    let quoted = format!("__Host-access=\"{good}\"");
    let half_quoted = format!("__Host-access=\"{good}");
    let listed = format!("{ours}, a=1");
    let listed_twice = format!("{ours},{ours}");
    let spaced = format!("__Host-access= {good}");
    let encoded = format!("__Host-access={}", good.replace('.', "%2e"));
    let scheme = format!("__Host-access=Bearer {good}");
    for (name, line) in [
        ("quotes", quoted.as_str()),
        ("half a quote", &half_quoted),
        ("a comma behind it", &listed),
        ("a list", &listed_twice),
        ("a blank before it", &spaced),
        ("percent-encoding", &encoded),
        ("a scheme", &scheme),
        ("nothing", "__Host-access="),
        ("no sign of equality", "__Host-access"),
        ("another token", "__Host-access=bad"),
    ] {
        rows.push(row(
            format!("a cookie that holds {name}"),
            "CK-11 FR-05",
            get(&[line]),
            Expected::invalid(),
        ));
    }
    let high = Request::get("/orders").header("Cookie", b"__Host-access=\xff\xfe");
    rows.push(row(
        "a cookie of high bytes",
        "FR-22 CK-11",
        high,
        Expected::invalid(),
    ));
    let beside_high =
        Request::get("/orders").header("Cookie", [b"a=\xff; ", ours.as_bytes()].concat());
    rows.push(row(
        "a cookie beside one of high bytes",
        "FR-22 CK-11",
        beside_high,
        known(&["a=\\xff"]),
    ));
    let expired = Request::get("/orders").cookie(tokens.expired());
    rows.push(row(
        "an expired cookie",
        "TV-20",
        expired,
        Expected::invalid(),
    ));
    for name in [
        "__host-access",
        "__HOST-ACCESS",
        "__Host-access2",
        "x__Host-access",
        "__Host-acces",
        "__Secure-access",
        "access",
        "Host-access",
        "__Host-access%3D",
        "__Host-access[0]",
        "$__Host-access",
        "=__Host-access",
        "a=__Host-access",
    ] {
        let line = format!("{name}={good}");
        let request = Request::get("/orders").header("Cookie", &line);
        rows.push(row(
            format!("a cookie called {name}"),
            "CK-11",
            request,
            Expected::missing(),
        ));
    }
    let quoted_pair = format!("a=\"b, {ours}\"");
    let request = get(&[&quoted_pair]);
    rows.push(row(
        "a cookie inside another's quotes",
        "CK-11",
        request,
        Expected::missing(),
    ));
    let line = format!("$Version=1; {ours}; $Path=/");
    rows.push(row(
        "RFC 2965 attributes",
        "CK-11",
        get(&[&line]),
        known(&["$Version=1", "$Path=/"]),
    ));
    let other_header = Request::get("/orders").header("Cookie2", &ours);
    rows.push(row(
        "a cookie in Cookie2",
        "CK-11",
        other_header,
        Expected::missing(),
    ));
    rows
}
