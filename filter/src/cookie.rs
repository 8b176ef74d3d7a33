//! The access cookie among the cookies of a request (RFC 6265 section 4.2; RFC 9113 section 8.2.3 lets them come in several fields).

/// The values of all cookies of exactly this name, in the order in which they came.
///
/// A pair without `=` counts where its text is the name: some apps would read it as the cookie.
pub(crate) fn values<'a>(
    fields: impl Iterator<Item = &'a [u8]>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    fields
        .flat_map(pairs)
        .filter(move |pair| name_of(pair) == name.as_bytes())
        .map(value_of)
}

/// All fields as one, without the cookies of this name; `None` when no other cookie is left.
pub(crate) fn without<'a>(fields: impl Iterator<Item = &'a [u8]>, name: &str) -> Option<Vec<u8>> {
    let others: Vec<_> = fields
        .flat_map(pairs)
        .filter(|pair| !pair.is_empty() && name_of(pair) != name.as_bytes())
        .collect();
    (!others.is_empty()).then(|| others.join(&b"; "[..]))
}

/// Whether `name` can be the name of a cookie: a token of RFC 9110 section 5.6.2.
pub(crate) fn is_name(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|byte| *byte == b';').map(trimmed)
}

/// Without blanks and tabs at both ends, and no other white space: a name that browsers take for another must not become ours.
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn name_of(pair: &[u8]) -> &[u8] {
    let end = pair.iter().position(|byte| *byte == b'=');
    trimmed(pair.get(..end.unwrap_or(pair.len())).unwrap_or_default())
}

/// Without the blanks around it, and with its quotation marks: no token has any.
fn value_of(pair: &[u8]) -> &[u8] {
    let start = pair.iter().position(|byte| *byte == b'=');
    start
        .and_then(|at| pair.get(at.saturating_add(1)..))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "__Host-access";

    fn found<'a>(fields: &[&'a str]) -> Vec<&'a str> {
        let fields = fields.iter().map(|field| field.as_bytes());
        values(fields, NAME)
            .map(|value| std::str::from_utf8(value).unwrap())
            .collect()
    }

    /// CK-11: names that only look like ours are other cookies.
    #[test]
    fn only_the_cookie_of_exactly_that_name_is_found() {
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
            "\u{c}__Host-access=x",
            "__Host-access\u{b}=x",
            "",
            ";;",
        ] {
            assert!(found(&[other]).is_empty(), "{other}");
        }
    }

    /// CK-11, FR-03: every copy is seen, whatever the field and the blanks around it.
    #[test]
    fn every_copy_is_found() {
        let copies = found(&["__Host-access=1;__Host-access=2", "a; __Host-access =3"]);
        assert_eq!(copies, ["1", "2", "3"]);
        assert_eq!(found(&["__Host-access"]), [""]);
        assert_eq!(found(&["__Host-access=\"x\""]), ["\"x\""]);
        assert_eq!(found(&["\t__Host-access= x "]), [" x"]);
    }

    #[test]
    fn what_is_left_is_the_others_as_they_came() {
        let left = |fields: &[&str]| {
            let fields = fields.iter().map(|field| field.as_bytes());
            without(fields, NAME).map(|left| String::from_utf8(left).unwrap())
        };
        assert_eq!(left(&["__Host-access=1; __Host-access=2"]), None);
        assert_eq!(
            left(&["a=1;; __Host-access=x;b", "c=\"2\""]).as_deref(),
            Some("a=1; b; c=\"2\"")
        );
        assert_eq!(
            left(&["__host-access=x"]).as_deref(),
            Some("__host-access=x")
        );
    }
}
