//! The path on which rules are decided: the bytes before `?` and `#`, in one reading only.

use crate::config::Reading;

/// An [`unambiguous`] path as two readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// As it is written, the digits of encodings in capitals.
    raw: String,
    pub(crate) decoded: String,
}

impl Path {
    pub(crate) fn new(path: &str) -> Self {
        let mut parts = path.split('%');
        let mut raw = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (digits, rest) = part.split_at_checked(2).unwrap_or_default();
            raw.push('%');
            raw.push_str(&digits.to_ascii_uppercase());
            raw.push_str(rest);
        }
        Self {
            raw,
            decoded: String::from_utf8_lossy(&decode(path)).into_owned(),
        }
    }

    pub(crate) fn in_reading(&self, reading: Reading) -> &str {
        match reading {
            Reading::ToTheLetter => &self.raw,
            Reading::Loosely => &self.decoded,
        }
    }

    /// Whether both readers see the same.
    pub(crate) fn is_plain(&self) -> bool {
        self.raw == self.decoded
    }
}

/// The path of the request target, or `None` where two readers could read it differently (FR-07).
///
/// Refused are: a target that does not begin with `/`, bytes outside printable ASCII, backslashes, doubled slashes, dot segments,
/// path parameters, and percent-encodings that are malformed, stand for a separator, a dot, a percent sign, a control character or a
/// character that needs no encoding (RFC 3986 section 2.3), or are not UTF-8.
pub(crate) fn unambiguous(target: &[u8]) -> Option<&str> {
    let end = target
        .iter()
        .position(|byte| matches!(byte, b'?' | b'#'))
        .unwrap_or(target.len());
    let path = std::str::from_utf8(target.get(..end)?).ok()?;
    let is_plain = path.starts_with('/')
        && !path.contains("//")
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';'))
        && path
            .split('/')
            .all(|segment| !matches!(segment, "." | ".."))
        && path.split('%').skip(1).all(is_needed_encoding)
        && std::str::from_utf8(&decode(path)).is_ok();
    is_plain.then_some(path)
}

fn decode(path: &str) -> Vec<u8> {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or_default();
        bytes.extend(u8::from_str_radix(digits, 16));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

/// Whether the two digits behind a percent sign encode a byte that must be encoded and separates nothing.
fn is_needed_encoding(after: &str) -> bool {
    let Some(digits) = after.get(..2) else {
        return false;
    };
    let Ok(byte) = u8::from_str_radix(digits, 16) else {
        return false;
    };
    let is_unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        && !is_unreserved
        && !byte.is_ascii_control()
        && !matches!(byte, b'/' | b'\\' | b';' | b'%')
}

/// Whether `path` is `prefix` or lies below it, by whole segments (FR-08). A final `/` of the prefix changes nothing.
pub(crate) fn is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FR-07.
    #[test]
    fn a_path_with_two_readings_has_none() {
        for target in [
            "",
            "*",
            "auth",
            "http://host/auth",
            "//",
            "/a//b",
            "/a/../b",
            "/a/.",
            "/..",
            "/./a",
            "/a\\b",
            "/a;b",
            "/a;x=1/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/%2e%2e/a",
            "/%2E/a",
            "/a%00",
            "/a%0d%0aX:%20y",
            "/a%7f",
            "/%c0%ae%c0%ae/a",
            "/%ff",
            "/%c3",
            "/%69",
            "/%41",
            "/%7e",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
            "/a%25",
            "/a%252f",
            "/a%3bb",
            "/a b",
            "/a\tb",
            "/\u{7f}",
            "/é",
        ] {
            assert_eq!(unambiguous(target.as_bytes()), None, "{target}");
        }
        assert_eq!(unambiguous(b"/\xff"), None);
        for (target, path) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("/a?x=//../%2f", "/a"),
            ("/a#//", "/a"),
            ("/a%20b", "/a%20b"),
            ("/...", "/..."),
        ] {
            assert_eq!(unambiguous(target.as_bytes()), Some(path));
        }
    }

    /// FR-07: what one reader takes for the same and another does not.
    #[test]
    fn two_spellings_of_one_path_are_one_when_decoded() {
        for (one, other) in [("/a%3Ab", "/a:b"), ("/%40%21%2a", "/@!*")] {
            let (one, other) = (Path::new(one), Path::new(other));
            assert_eq!(one.decoded, other.decoded);
            assert_ne!(one.raw, other.raw);
            assert!(other.is_plain() && !one.is_plain());
        }
        assert_eq!(Path::new("/caf%C3%A9"), Path::new("/caf%c3%a9"));
        assert_eq!(Path::new("/a%20b%20c").decoded, "/a b c");
    }

    /// FR-08: the neighbours of a prefix.
    #[test]
    fn a_prefix_covers_whole_segments() {
        for prefix in ["/auth", "/auth/"] {
            for path in ["/auth", "/auth/", "/auth/v1"] {
                assert!(is_below(path, prefix), "{path} {prefix}");
            }
            for path in [
                "/",
                "/aut",
                "/authx",
                "/auth.json",
                "/x/auth",
                "/Auth",
                "/auth%20",
            ] {
                assert!(!is_below(path, prefix), "{path} {prefix}");
            }
        }
        assert!(is_below("/anything", "/"));
    }
}
