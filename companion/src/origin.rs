//! Where a request comes from, by what its browser says (CK-05, CK-08). The gateways' filter judges the same.
//!
//! No page can set `Sec-Fetch-Site` (Fetch metadata, section 2) or `Origin` (RFC 6454 section 7).

use axum::extract::{Request, State};
use axum::http::header::{HeaderName, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::error::ApiError;
use crate::request::bearer;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A page of our own, or one of an origin that the operator named.
    Own,
    /// A page of anybody else, or one that its browser does not name.
    Foreign,
    /// Nothing is said: no browser, or one in which the user typed the address.
    Unsaid,
}

/// Judges what a browser says; `is_own` knows the origins that are taken.
pub fn source(headers: &HeaderMap, is_own: impl Fn(&[u8]) -> bool) -> Source {
    let site = only(headers, &SITE);
    let origin = only(headers, &ORIGIN);
    let is_same = site == Ok(Some(b"same-origin"));
    if is_same || origin.is_ok_and(|origin| origin.is_some_and(is_own)) {
        return Source::Own;
    }
    match (site, origin) {
        (Ok(None | Some(b"none")), Ok(None)) => Source::Unsaid,
        _ => Source::Foreign,
    }
}

/// The one value of a field, if it is there at all.
///
/// # Errors
/// When it is there twice: no browser sends that.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Twice> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Twice),
        (value, None) => Ok(value),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Twice;

/// Whether a method changes nothing here (CK-06).
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Refuses what a page of somebody else sends, before anything is looked at: logins and sign-ups in a visitor's name too (CK-08).
/// A Bearer credential is a proof of its own: no page can send one elsewhere without asking first, and nobody here answers that.
/// What carries a cookie needs more, see [`crate::credentials`].
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_foreign =
        source(headers, |origin| app.settings.is_own_origin(origin)) == Source::Foreign;
    if is_foreign && !is_safe(request.method()) && !matches!(bearer(headers), Ok(Some(_))) {
        return ApiError::CrossOrigin.into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(fields: &[(&'static str, &str)]) -> Source {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        source(&headers, |origin| origin == b"https://www.example.com")
    }

    /// CK-05: none, `null`, same, cross, sibling, suffix.
    #[test]
    fn only_our_own_pages_are_our_own() {
        for own in [
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://www.example.com"),
        ] {
            assert_eq!(said(&[own]), Source::Own, "{own:?}");
            assert_eq!(said(&[own, own]), Source::Foreign, "{own:?} twice");
        }
        for foreign in [
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
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
        ] {
            assert_eq!(said(&[foreign]), Source::Foreign, "{foreign:?}");
        }
        for unsaid in [
            vec![],
            vec![("sec-fetch-site", "none")],
            vec![("referer", "https://evil.example/")],
        ] {
            assert_eq!(said(&unsaid), Source::Unsaid, "{unsaid:?}");
        }
        let null = ("origin", "null");
        assert_eq!(said(&[("sec-fetch-site", "none"), null]), Source::Foreign);
        // An origin that the operator named is another site to the browser.
        let named = ("origin", "https://www.example.com");
        assert_eq!(
            said(&[("sec-fetch-site", "cross-site"), named]),
            Source::Own
        );
    }
}
