//! What a request carries: a view of its headers, byte by byte.

use crate::config::Credentials;
use crate::cookie;

/// One request, as the host handed it over.
pub(crate) struct Request<'a> {
    headers: &'a [(&'a [u8], &'a [u8])],
    port: Option<u16>,
}

/// The credential of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// None that the filter knows.
    None,
    /// A value of `authorization` that could be a token.
    Bearer(&'a [u8]),
    /// A value of the access cookie that could be a token.
    Cookie(&'a [u8]),
    /// `Bearer` or the access cookie, but not in the grammar of RFC 6750 section 2.1.
    Malformed,
}

/// More than one credential: which one counts would be a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

impl<'a> Request<'a> {
    pub(crate) const fn new(headers: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self {
            headers,
            port: None,
        }
    }

    /// The same, come in at this port of the gateway.
    #[must_use]
    pub(crate) const fn at(mut self, port: Option<u16>) -> Self {
        self.port = port;
        self
    }

    /// The port of the gateway at which it came in, where the host told it.
    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The names of all headers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().map(|(name, _)| *name)
    }

    pub(crate) fn method(&self) -> &'a [u8] {
        self.first(b":method").unwrap_or_default()
    }

    /// The request target as Envoy routes on it; no other header is read for it (FR-07).
    pub(crate) fn target(&self) -> &'a [u8] {
        self.first(b":path").unwrap_or_default()
    }

    /// The host that the request is for, as it was sent.
    pub(crate) fn authority(&self) -> &'a [u8] {
        self.only(b":authority").unwrap_or_default()
    }

    /// A CORS preflight (Fetch standard, section 4.8): only this shape passes without a token (FR-09).
    pub(crate) fn is_preflight(&self) -> bool {
        let names_one = |name| self.only(name).is_some_and(|value| !value.is_empty());
        self.method() == b"OPTIONS"
            && names_one(b"origin".as_slice())
            && names_one(b"access-control-request-method")
            && !self.is_upgrade()
    }

    /// An upgrade of another method than `GET` (RFC 6455 section 4.1). Envoy forgets the method where the upstream speaks HTTP/2: the
    /// rule would be chosen for one request, and the app would get another.
    pub(crate) fn is_ambiguous_upgrade(&self) -> bool {
        self.is_upgrade() && !matches!(self.method(), b"GET" | b"CONNECT")
    }

    /// Whether it asks for another protocol: `Upgrade`, `CONNECT` or an extended `CONNECT` (RFC 8441).
    pub(crate) fn is_upgrade(&self) -> bool {
        self.method() == b"CONNECT"
            || self.first(b"upgrade").is_some()
            || self.first(b":protocol").is_some()
    }

    /// Whether `Connection` of an upgrade names more than that. Envoy passes it on as it is, and the next hop removes what it names (RFC
    /// 9110 section 7.6.1): identity headers, if a client names them.
    pub(crate) fn has_loaded_connection(&self) -> bool {
        let is_upgrade = |value: &[u8]| value.trim_ascii().eq_ignore_ascii_case(b"upgrade");
        self.first(b"upgrade").is_some() && !self.all(b"connection").all(is_upgrade)
    }

    /// The one credential, from where the configuration takes any (FR-02, FR-03). Repeats of `authorization` arrive as several pairs or
    /// joined with a comma, which no Bearer value contains; they are ambiguous whatever they hold.
    pub(crate) fn credential(&self, from: &Credentials) -> Result<Credential<'a>, Ambiguous> {
        let mut fields = self.all(b"authorization");
        let header = match fields.next() {
            Some(value) if fields.next().is_some() || value.contains(&b',') => {
                return Err(Ambiguous);
            }
            Some(value) if from.header => bearer(value),
            Some(_) | None => Credential::None,
        };
        let mut cookies = self.access_cookies(from);
        match (header, cookies.next(), cookies.next()) {
            (header, None, _) => Ok(header),
            (Credential::None, Some(token), None) if is_token68(token) => {
                Ok(Credential::Cookie(token))
            }
            (Credential::None, Some(_), None) => Ok(Credential::Malformed),
            (_, Some(_), _) => Err(Ambiguous),
        }
    }

    /// Whether any `authorization` carries what could be a Bearer credential, joined with others or not.
    pub(crate) fn has_bearer(&self) -> bool {
        self.all(b"authorization")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|part| bearer(part) != Credential::None)
    }

    /// Whether the access cookie is among the cookies, in whatever form.
    pub(crate) fn has_access_cookie(&self, from: &Credentials) -> bool {
        self.access_cookies(from).next().is_some()
    }

    /// All cookies but the access cookie, as one field; `None` when none is left.
    pub(crate) fn other_cookies(&self, from: &Credentials) -> Option<Vec<u8>> {
        let name = from.cookie.as_deref().unwrap_or_default();
        cookie::without(self.all(b"cookie"), name)
    }

    /// The value of a header that came exactly once.
    pub(crate) fn only(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        let value = values.next();
        value.filter(|_| values.next().is_none())
    }

    fn access_cookies(&self, from: &Credentials) -> impl Iterator<Item = &'a [u8]> {
        let name = from.cookie.as_deref();
        let fields = name.map(|_| self.all(b"cookie"));
        cookie::values(fields.into_iter().flatten(), name.unwrap_or_default())
    }

    fn first(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    fn all(&self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

/// RFC 6750 section 2.1 with the scheme of RFC 9110 section 11.1: another scheme is no credential of ours, a malformed value is one.
fn bearer(value: &[u8]) -> Credential<'_> {
    let value = value.trim_ascii();
    let end = value
        .iter()
        .position(|byte| !byte.is_ascii_graphic())
        .unwrap_or(value.len());
    let Some((scheme, rest)) = value.split_at_checked(end) else {
        return Credential::Malformed;
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Credential::None;
    }
    match rest.strip_prefix(b" ") {
        Some(token) if is_token68(token) => Credential::Bearer(token),
        _ => Credential::Malformed,
    }
}

fn is_token68(text: &[u8]) -> bool {
    let end = text
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |last| last.saturating_add(1));
    let is_letter = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    };
    text.get(..end)
        .is_some_and(|letters| !letters.is_empty() && letters.iter().all(is_letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Credentials = Credentials {
        header: true,
        cookie: None,
    };

    fn headers<'a>(values: &[&'a [u8]]) -> Vec<(&'a [u8], &'a [u8])> {
        let name: &[u8] = b"authorization";
        values.iter().map(|value| (name, *value)).collect()
    }

    /// FR-05.
    #[test]
    fn the_bearer_grammar_is_strict() {
        for (value, expected) in [
            (&b"Bearer abc"[..], Credential::Bearer(b"abc")),
            (b"bEaReR a-._~+/b==", Credential::Bearer(b"a-._~+/b==")),
            (b" Bearer abc ", Credential::Bearer(b"abc")),
            (b"Bearer", Credential::Malformed),
            (b"Bearer ", Credential::Malformed),
            (b"Bearer  abc", Credential::Malformed),
            (b"Bearer\tabc", Credential::Malformed),
            (b"Bearer a b", Credential::Malformed),
            (b"Bearer a=b", Credential::Malformed),
            (b"Bearer ==", Credential::Malformed),
            (b"Bearer \"abc\"", Credential::Malformed),
            (b"Bearer \xff\xfe", Credential::Malformed),
            (b"Bearer\xffabc", Credential::Malformed),
            (b"Basic abc", Credential::None),
            (b"Bearerabc", Credential::None),
            (b"abc", Credential::None),
            (b"", Credential::None),
        ] {
            assert_eq!(
                Request::new(&headers(&[value])).credential(&HEADER),
                Ok(expected),
                "{value:?}"
            );
        }
    }

    /// FR-02.
    #[test]
    fn repeated_credentials_are_ambiguous() {
        for values in [
            &[&b"Bearer a"[..], b"Bearer a"][..],
            &[b"Bearer a", b"Basic b"],
            &[b"Bearer a,Bearer b"],
            &[b"Basic a, Bearer b"],
            &[b"", b""],
        ] {
            assert_eq!(
                Request::new(&headers(values)).credential(&HEADER),
                Err(Ambiguous),
                "{values:?}"
            );
        }
    }
}
