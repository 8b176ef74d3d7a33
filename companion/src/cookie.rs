//! Cookies as text: those of a request (RFC 6265 section 4.2), read as the gateways' filter reads them, and those of an answer.
//! Knows no names.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// Browsers keep no cookie whose name and value together are larger (CK-03).
pub const MAX_BYTES: usize = 4_096;

/// The values of all cookies of exactly this name, in the order in which they came (CK-11).
///
/// A pair without `=` counts where its text is the name: somebody else would read it as the cookie.
pub fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'))
        .map(parts)
        .filter(move |(found, _)| *found == name.as_bytes())
        .map(|(_, value)| value)
}

/// The name without the blanks around it. The value with its quotation marks: nothing of ours has any.
fn parts(pair: &[u8]) -> (&[u8], &[u8]) {
    let pair = trimmed(pair);
    match pair.iter().position(|byte| *byte == b'=') {
        None => (pair, &[]),
        Some(at) => {
            let (name, value) = pair.split_at(at);
            (trimmed(name), value.get(1..).unwrap_or_default())
        }
    }
}

/// Without blanks and tabs at both ends, and no other white space: a name that browsers take for another must not become ours.
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// What is the same for every cookie of a name: else a browser would keep two, or not delete the one (CK-04).
#[derive(Clone, Copy)]
pub struct Kind {
    /// The name, with the prefix that makes browsers check the attributes.
    pub name: &'static str,
    /// `Path`.
    pub path: &'static str,
    /// `SameSite`.
    pub same_site: &'static str,
}

impl Kind {
    /// Of a `Set-Cookie` field. No `Domain`: the host alone gets it back.
    pub fn set(self, value: &str, max_age: Duration) -> String {
        let Self {
            name,
            path,
            same_site,
        } = self;
        let max_age = max_age.as_secs();
        format!(
            "{name}={value}; Max-Age={max_age}; Path={path}; Secure; HttpOnly; SameSite={same_site}"
        )
    }

    /// Of a `Set-Cookie` field that deletes it.
    pub fn delete(self) -> String {
        self.set("", Duration::ZERO)
    }

    /// Whether a browser would keep it.
    pub fn takes(self, value: &str) -> bool {
        self.name.len() + value.len() <= MAX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn found(fields: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        values(&headers, "__Host-access")
            .map(|value| String::from_utf8(value.to_vec()).unwrap())
            .collect()
    }

    /// CK-11: names that only look like ours are other cookies.
    #[test]
    fn only_cookies_of_exactly_the_name_are_found() {
        assert_eq!(found(&["a=b; __Host-access=x.y.z; c=d"]), ["x.y.z"]);
        for other in [
            "__host-access=x",
            "__HOST-access=x",
            "__Host-access2=x",
            "x__Host-access=x",
            "__Secure-access=x",
            "__Host-access%3Dx=y",
            "a=__Host-access=x",
            "=__Host-access=x",
            "=__Host-access",
            "a=\"b, __Host-access=x\"",
            "",
            ";;",
        ] {
            assert!(found(&[other]).is_empty(), "{other}");
        }
    }

    /// CK-11, FR-03: every copy is seen, whatever the field and the blanks around it.
    #[test]
    fn every_copy_is_seen() {
        let copies = found(&["__Host-access=1;__Host-access=2", "a; __Host-access =3"]);
        assert_eq!(copies, ["1", "2", "3"]);
        assert_eq!(found(&["__Host-access"]), [""]);
        assert_eq!(found(&["\t__Host-access=\"x\" "]), ["\"x\""]);
    }

    /// CK-03, CK-04.
    #[test]
    fn a_cookie_is_deleted_with_the_attributes_that_it_was_set_with() {
        let kind = Kind {
            name: "n",
            path: "/p",
            same_site: "Lax",
        };
        let set = kind.set("v", Duration::from_secs(5));
        let attributes = "Path=/p; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(set, format!("n=v; Max-Age=5; {attributes}"));
        assert_eq!(kind.delete(), format!("n=; Max-Age=0; {attributes}"));
        assert!(kind.takes(&"x".repeat(4_095)) && !kind.takes(&"x".repeat(4_096)));
    }
}
