//! What a browser tells about a request, and what follows: cross-origin requests with a cookie, and the way to the login page.

use crate::request::Request;

/// Whether a cookie may carry this request: a method without effect, or a proof that the request comes from our own pages (CK-05).
///
/// `Sec-Fetch-Site` cannot be set by a page (Fetch metadata, section 2); `Origin` (RFC 6454 section 7) must be one that the operator
/// named, scheme and port included. Neither is a refusal: clients that are no browsers have no use for the cookie.
pub(crate) fn may_use_cookie(request: &Request<'_>, allowed_origins: &[String]) -> bool {
    let is_safe = matches!(request.method(), b"GET" | b"HEAD" | b"OPTIONS");
    // A page can open a WebSocket to any host, and reads what comes back.
    if is_safe && !request.is_upgrade() {
        return true;
    }
    let is_allowed = |origin: &[u8]| {
        allowed_origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin)
    };
    request.only(b"sec-fetch-site") == Some(b"same-origin")
        || request.only(b"origin").is_some_and(is_allowed)
}

/// Whether a browser asks for a page to show, so that a redirect helps (design section 10).
pub(crate) fn is_navigation(request: &Request<'_>) -> bool {
    let is_read = matches!(request.method(), b"GET" | b"HEAD") && !request.is_upgrade();
    let asks_for_a_page = if request.names().any(is_fetch_metadata) {
        request.only(b"sec-fetch-mode") == Some(b"navigate")
    } else {
        request.only(b"accept").is_some_and(names_html)
    };
    is_read && asks_for_a_page
}

fn is_fetch_metadata(name: &[u8]) -> bool {
    name.get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"sec-fetch-"))
}

fn names_html(accept: &[u8]) -> bool {
    let mut kinds = accept.split(|byte| *byte == b',').map(|range| {
        let end = range.iter().position(|byte| *byte == b';');
        range
            .get(..end.unwrap_or(range.len()))
            .unwrap_or_default()
            .trim_ascii()
    });
    kinds.any(|kind| kind.eq_ignore_ascii_case(b"text/html"))
}

/// The longest way back, in bytes; a browser that was further away begins anew.
const MAX_RETURN_TO: usize = 2_048;

/// Where to log in, with the way back. `path` has one reading and begins with a single slash, so that it stays on this origin; what
/// stood behind `?` is left out, because a query can hold what must not travel on.
pub(crate) fn login_location(login_page: &str, path: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if path.len() > MAX_RETURN_TO {
        return login_page.to_owned();
    }
    let mut location = format!("{login_page}?return_to=");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            location.push(char::from(byte));
            continue;
        }
        location.push('%');
        for digit in [byte >> 4, byte & 0x0f] {
            let digit = DIGITS.get(usize::from(digit)).copied();
            location.extend(digit.map(char::from));
        }
    }
    location
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'a>(method: &'a str, others: &[(&'a str, &'a str)]) -> Vec<(&'a [u8], &'a [u8])> {
        [(":method", method)]
            .iter()
            .chain(others)
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect()
    }

    fn may(method: &str, others: &[(&str, &str)]) -> bool {
        let allowed = ["https://www.example.com".to_owned()];
        may_use_cookie(&Request::new(&headers(method, others)), &allowed)
    }

    /// CK-05: none, null, same, cross, sibling, suffix, scheme, port, twice.
    #[test]
    fn a_cookie_carries_unsafe_requests_from_our_own_pages_only() {
        for proof in [
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://www.example.com"),
        ] {
            assert!(may("POST", &[proof]), "{proof:?}");
            assert!(!may("POST", &[proof, proof]), "{proof:?} twice");
        }
        for pretext in [
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "none"),
            ("sec-fetch-site", "Same-Origin"),
            ("sec-fetch-site", ""),
            ("origin", "null"),
            ("origin", ""),
            ("origin", "http://www.example.com"),
            ("origin", "https://www.example.com:443"),
            ("origin", "https://www.example.com/"),
            ("origin", "https://WWW.example.com"),
            ("origin", "https://evil.www.example.com"),
            ("origin", "https://www.example.com.evil.com"),
            ("origin", "https://evilwww.example.com"),
            ("origin", "https://example.com"),
            ("referer", "https://www.example.com/"),
        ] {
            assert!(!may("POST", &[pretext]), "{pretext:?}");
        }
        for method in [
            "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "",
        ] {
            assert!(!may(method, &[]), "{method}");
        }
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert!(may(method, &[]), "{method}");
        }
    }

    /// CK-05: whoever opens a WebSocket reads what comes back.
    #[test]
    fn an_upgrade_is_as_unsafe_as_a_post() {
        for upgrade in [("upgrade", "websocket"), (":protocol", "websocket")] {
            assert!(!may("GET", &[upgrade]));
            assert!(may("GET", &[upgrade, ("sec-fetch-site", "same-origin")]));
        }
    }

    #[test]
    fn only_a_browser_that_asks_for_a_page_is_navigating() {
        let navigates = |method: &str, others: &[(&str, &str)]| {
            is_navigation(&Request::new(&headers(method, others)))
        };
        let html = ("accept", "application/xml;q=0.9, Text/HTML;q=0.8");
        for (method, others) in [
            ("GET", vec![("sec-fetch-mode", "navigate")]),
            ("HEAD", vec![("sec-fetch-mode", "navigate")]),
            ("GET", vec![html]),
        ] {
            assert!(navigates(method, &others), "{method} {others:?}");
        }
        for (method, others) in [
            ("GET", vec![]),
            ("GET", vec![("accept", "*/*")]),
            ("GET", vec![("accept", "text/htmlx, application/json")]),
            ("GET", vec![html, ("Sec-Fetch-Mode", "cors")]),
            ("GET", vec![html, ("sec-fetch-dest", "empty")]),
            ("POST", vec![("sec-fetch-mode", "navigate")]),
            (
                "GET",
                vec![("sec-fetch-mode", "navigate"), ("upgrade", "websocket")],
            ),
            (
                "GET",
                vec![
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-mode", "navigate"),
                ],
            ),
        ] {
            assert!(!navigates(method, &others), "{method} {others:?}");
        }
    }

    /// The way back is one value of the query, whatever the path holds.
    #[test]
    fn the_way_back_is_a_path_and_nothing_but_one_value() {
        assert_eq!(
            login_location("/login", "/a/b&c=d%20e"),
            "/login?return_to=%2Fa%2Fb%26c%3Dd%2520e"
        );
        let far = format!("/{}", "a".repeat(MAX_RETURN_TO));
        assert_eq!(login_location("/login", &far), "/login");
    }
}
