//! The path that decides: every class with two readings, and the neighbours of public paths (FR-07, FR-08).

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Own, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let good = tokens.good();
    let mut rows = Vec::new();
    let ambiguous = |path: &[u8]| {
        let name = format!("an ambiguous path: {}", path.escape_ascii());
        let request = Request::get(path).bearer(&good);
        row(name, "FR-07", request, Expected::ambiguous())
    };
    let reaches_the_filter: [&[u8]; 12] = [
        b"//public",
        b"///",
        b"/public//x",
        b"/public;x=1",
        b"/public/a;b/c",
        b"/public%3bx",
        b"/public%3Bx",
        b"/public%252f..",
        b"/public%25",
        b"/public%",
        b"/public%2",
        b"/public%zz",
    ];
    rows.extend(reaches_the_filter.map(ambiguous));
    rows.push(ambiguous(b"/public%u002f"));
    // Envoy resolves these (`normalize_path`), and the filter decides on what the app will get.
    let known = || Expected::known(&tokens.alice);
    let resolved: [(&[u8], &str); 20] = [
        (b"/public//../orders", "/public/orders"),
        (b"/public/../orders", "/orders"),
        (b"/public/../../orders", "/orders"),
        (b"/public/./x", "/public/x"),
        (b"/public/.", "/public/"),
        (b"/public/..", "/"),
        (b"/./public", "/public"),
        (b"/../public", "/public"),
        (b"/orders/../public", "/public"),
        (b"/public\\..\\orders", "/orders"),
        (b"/public\\x", "/public/x"),
        (b"/public/%2e%2e/orders", "/orders"),
        (b"/public/%2E%2e/orders", "/orders"),
        (b"/public/.%2e/orders", "/orders"),
        (b"/public/%2e", "/public/"),
        (b"/%70ublic", "/public"),
        (b"/publi%63", "/public"),
        (b"/%7e", "/~"),
        (b"/orders;/../public", "/public"),
        (b"/public/..;/orders", "/orders"),
    ];
    for (path, target) in resolved {
        let is_public = target.starts_with("/public");
        let expected = if is_public {
            Expected::anonymous()
        } else {
            known()
        };
        rows.push(ambiguous(path).envoy(Own::Decides(expected.at(target))));
    }
    // `path_with_escaped_slashes_action: REJECT_REQUEST`, and NUL always.
    let escaped: [&[u8]; 7] = [
        b"/public/..%2forders",
        b"/public%2f..%2forders",
        b"/public%2Fx",
        b"/public%5cx",
        b"/public%5Cx",
        b"/public%00",
        b"/public%00.html",
    ];
    rows.extend(escaped.map(|path| ambiguous(path).envoy(Own::Status(400))));
    let no_targets: [&[u8]; 8] = [
        b"orders",
        b"*",
        b"\\public",
        b"/public\x7f",
        b"/public\x01",
        b"/public\tx",
        b"/public x",
        b"",
    ];
    rows.extend(no_targets.map(|path| refused(ambiguous(path))));
    // HTTP/2 encodes such bytes on the way: what is UTF-8 then has one reading, what is not has none.
    rows.push(ambiguous(b"/public/\xff").http1(Own::Status(400)));
    let encoded = Own::Decides(Expected::anonymous().at("/public/%C3%A4"));
    let umlaut = ambiguous(b"/public/\xc3\xa4").http1(Own::Status(400));
    rows.push(umlaut.http2(encoded));
    for (target, http1) in [
        (
            "http://www.example.com/orders",
            Own::Decides(Expected::missing()),
        ),
        (
            "http://www.example.com/public",
            Own::Decides(Expected::anonymous().at("/public")),
        ),
        // Another scheme than that of the connection.
        ("https://evil.test/public", Own::Status(403)),
    ] {
        let absolute = row(
            format!("a target: {target}"),
            "FR-07",
            Request::get(target),
            Expected::ambiguous(),
        );
        rows.push(absolute.http1(http1).http2(Own::Reset));
    }
    for (target, expected) in [
        ("/orders#/public", Expected::missing()),
        ("/orders?#/public", Expected::missing()),
        ("/public#x", Expected::anonymous()),
    ] {
        let fragment = row(
            format!("a target: {target}"),
            "FR-07 FR-08",
            Request::get(target),
            expected,
        );
        rows.push(fragment.envoy(Own::Status(400)));
    }
    for (target, expected) in [
        ("/orders?/../public", Expected::missing()),
        ("/orders?x=/public", Expected::missing()),
        ("/orders?;//..%2f", Expected::missing()),
        ("/public?x=%2f..%2forders", Expected::anonymous()),
        ("/public?\\", Expected::anonymous()),
        ("/public/%20", Expected::anonymous()),
        ("/public/a%20b%C3%A4", Expected::anonymous()),
        ("/public/...", Expected::anonymous()),
        ("/public/.well-known", Expected::anonymous()),
        ("/public/a:b@c,d=e&f!$'()*+", Expected::anonymous()),
    ] {
        rows.push(row(
            format!("a target: {target}"),
            "FR-07 FR-08",
            Request::get(target),
            expected,
        ));
    }
    for header in [
        "x-envoy-original-path",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-uri",
        "x-forwarded-path",
        "x-forwarded-prefix",
        "x-original-uri",
        "x-envoy-decorator-operation",
        "x-http-method-override",
    ] {
        let request = Request::get("/orders").header(header, "/public");
        rows.push(row(
            format!("another path in {header}"),
            "FR-07",
            request,
            Expected::missing(),
        ));
    }
    for (path, is_exact) in [
        ("/auth", false),
        ("/public", false),
        ("/status", true),
        ("/order/first", false),
    ] {
        for neighbour in neighbours(path) {
            let request = Request::get(&neighbour);
            rows.push(row(
                format!("a neighbour of {path}: {neighbour}"),
                "FR-08",
                request,
                Expected::missing(),
            ));
        }
        let below = if is_exact {
            Expected::missing()
        } else {
            Expected::anonymous()
        };
        rows.push(row(
            format!("below {path}"),
            "FR-08",
            Request::get(format!("{path}/a/b")),
            below.clone(),
        ));
        rows.push(row(
            format!("{path} and a slash"),
            "FR-08",
            Request::get(format!("{path}/")),
            below,
        ));
        rows.push(row(
            format!("{path} and a query"),
            "FR-08",
            Request::get(format!("{path}?a=b")),
            Expected::anonymous(),
        ));
    }
    rows
}

/// No request target at all to Envoy's codecs.
fn refused(row: Row) -> Row {
    row.http1(Own::Status(400)).http2(Own::Reset)
}

/// One step beside a path: shorter, longer, in another case, in front, inside.
fn neighbours(path: &str) -> Vec<String> {
    let name = path.trim_start_matches('/');
    let (last, _) = path.split_at(path.len() - 1);
    let mut all = vec![
        last.to_owned(),
        format!("{path}x"),
        format!("{path}-"),
        format!("{path}."),
        format!("{path}.json"),
        format!("{path}~"),
        format!("{path}%20"),
        format!("{path}:"),
        format!("{path}@"),
        format!("{path},"),
        format!("{path}="),
        format!("{path}&x"),
        format!("{path}{name}"),
        format!("/x{path}"),
        format!("/x?y={path}"),
        format!("/{}", name.to_uppercase()),
    ];
    // Each letter of the path in the other case.
    for at in 1..path.len() {
        let (before, rest) = path.split_at(at);
        let (letter, after) = rest.split_at(1);
        if letter != "/" {
            all.push(format!("{before}{}{after}", letter.to_uppercase()));
        }
    }
    all.dedup();
    all
}
