//! The cookie on requests that another site may have caused (CK-05).

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Own, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let good = tokens.good();
    let mut rows = Vec::new();
    let known = || Expected::known(&tokens.alice);
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "PURGE", "PROPFIND", "get", "TRACE",
    ] {
        let request = || Request::new(method, "/orders").cookie(&good);
        let mut bare = row(
            format!("csrf: {method} with nothing"),
            "CK-05",
            request(),
            Expected::cross_origin(),
        );
        let mut own = row(
            format!("csrf: {method} of our own page"),
            "CK-05",
            request().header("Sec-Fetch-Site", "same-origin"),
            known(),
        );
        let by_header = Request::new(method, "/orders").bearer(&good);
        let mut header = row(
            format!("csrf: {method} with the header is no matter"),
            "CK-05",
            by_header,
            known(),
        );
        if method == "get" {
            // Envoy's parser of HTTP/1.1 knows methods in capitals alone.
            for row in [&mut bare, &mut own, &mut header] {
                row.http1 = Some(Own::Status(400));
            }
        }
        rows.extend([bare, own, header]);
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        for site in ["cross-site", "same-site", "none"] {
            let request = Request::new(method, "/orders")
                .cookie(&good)
                .header("Sec-Fetch-Site", site);
            rows.push(row(
                format!("csrf: {method} from {site} has no effect"),
                "CK-05",
                request,
                known(),
            ));
        }
    }
    let sites: [&[&str]; 9] = [
        &["same-site"],
        &["cross-site"],
        &["none"],
        &["Same-Origin"],
        &["same-origin, cross-site"],
        &["\"same-origin\""],
        &[""],
        &["same-origin", "cross-site"],
        &["same-origin", "same-origin"],
    ];
    for site in sites {
        let request = Request::post("/orders").cookie(&good);
        let request = site.iter().fold(request, |request, site| {
            request.header("Sec-Fetch-Site", site)
        });
        rows.push(row(
            format!("csrf: POST from {site:?}"),
            "CK-05",
            request,
            Expected::cross_origin(),
        ));
    }
    let origins: [(&[&str], bool); 24] = [
        (&["https://www.example.com"], true),
        (&["https://shop.example.com:8443"], true),
        (&["null"], false),
        (&[""], false),
        (&["https://www.example.com/"], false),
        (&["http://www.example.com"], false),
        (&["https://www.example.com:443"], false),
        (&["https://www.example.com:8443"], false),
        (&["https://shop.example.com"], false),
        (&["https://shop.example.com:84430"], false),
        (&["https://WWW.example.com"], false),
        (&["HTTPS://www.example.com"], false),
        (&["https://evil.www.example.com"], false),
        (&["https://blog.example.com"], false),
        (&["https://example.com"], false),
        (&["https://www.example.com.evil.test"], false),
        (&["https://www.example.com@evil.test"], false),
        (&["https://evilwww.example.com"], false),
        (&["https://evil.test"], false),
        (&["www.example.com"], false),
        (&["*"], false),
        (&["https://www.example.com, https://evil.test"], false),
        (&["https://www.example.com", "https://evil.test"], false),
        (&["https://www.example.com https://evil.test"], false),
    ];
    for (origin, is_ours) in origins {
        let request = Request::post("/orders").cookie(&good);
        let request = origin
            .iter()
            .fold(request, |request, origin| request.header("Origin", origin));
        let expected = if is_ours {
            known()
        } else {
            Expected::cross_origin()
        };
        rows.push(row(
            format!("csrf: POST from origin {origin:?}"),
            "CK-05",
            request,
            expected,
        ));
    }
    for (name, header, value) in [
        (
            "a referer of ours",
            "Referer",
            "https://www.example.com/orders",
        ),
        ("a request by script", "X-Requested-With", "XMLHttpRequest"),
        ("a preflighted type", "Content-Type", "application/json"),
        ("another site's mode", "Sec-Fetch-Mode", "same-origin"),
        (
            "the host as forwarded",
            "X-Forwarded-Host",
            "www.example.com",
        ),
    ] {
        let request = Request::post("/orders").cookie(&good).header(header, value);
        rows.push(row(
            format!("csrf: POST with {name} proves nothing"),
            "CK-05",
            request,
            Expected::cross_origin(),
        ));
    }
    for (name, site, origin, is_ours) in [
        (
            "an allowed origin from a site beside it",
            "same-site",
            "https://shop.example.com:8443",
            true,
        ),
        (
            "an allowed origin from another site",
            "cross-site",
            "https://shop.example.com:8443",
            true,
        ),
        (
            "another origin from another site",
            "cross-site",
            "https://evil.test",
            false,
        ),
        ("no origin from another site", "cross-site", "null", false),
        (
            "our own page with its origin",
            "same-origin",
            "https://www.example.com",
            true,
        ),
    ] {
        let request = Request::post("/orders")
            .cookie(&good)
            .header("Sec-Fetch-Site", site)
            .header("Origin", origin);
        let expected = if is_ours {
            known()
        } else {
            Expected::cross_origin()
        };
        rows.push(row(format!("csrf: {name}"), "CK-05", request, expected));
    }
    let overridden = Request::get("/orders")
        .cookie(&good)
        .header("X-HTTP-Method-Override", "POST");
    rows.push(row(
        "csrf: a GET that an app may take for a POST is a GET",
        "CK-05",
        overridden,
        known(),
    ));
    rows
}
