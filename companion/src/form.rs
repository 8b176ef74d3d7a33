//! `application/x-www-form-urlencoded` (URL Standard, section 5), read strictly: each name once, all of it UTF-8. Knows nothing of OAuth.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// More than any call takes; unknown ones are ignored (RFC 6749 section 3.2), so that they may be many.
const MOST: usize = 64;

/// The parameters of a form. Values may be secrets: wiped when dropped, and without `Debug`.
pub struct Form(BTreeMap<String, Zeroizing<String>>);

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// A percent sign without two digits, or bytes that are no UTF-8.
    Malformed,
    /// One name stands there twice (RFC 6749 section 3.2).
    Repeated,
    /// It has more than 64 parameters.
    TooMany,
}

impl Form {
    /// Reads a body. A parameter without a value is as good as none (RFC 6749 section 3.2).
    ///
    /// # Errors
    /// [`FormError`].
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut parameters = BTreeMap::new();
        for (count, pair) in body.split(|byte| *byte == b'&').enumerate() {
            if count == MOST {
                return Err(FormError::TooMany);
            }
            if pair.is_empty() {
                continue;
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if parameters.insert(name.to_string(), value).is_some() {
                return Err(FormError::Repeated);
            }
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }
}

/// One name or value: `+` is a space, `%` and two digits a byte.
///
/// # Errors
/// [`FormError::Malformed`].
pub fn decode(text: &[u8]) -> Result<Zeroizing<String>, FormError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let [high, low] = [rest.next(), rest.next()].map(|digit| digit.and_then(hex));
                let (high, low) = high.zip(low).ok_or(FormError::Malformed)?;
                high << 4 | low
            }
            byte => byte,
        });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| FormError::Malformed)?;
    Ok(Zeroizing::new(text.to_owned()))
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, name: &str) -> Option<String> {
        let form = Form::parse(body.as_bytes()).ok().unwrap();
        form.get(name).map(ToOwned::to_owned)
    }

    #[test]
    fn a_form_is_read_as_its_standard_says() {
        assert_eq!(read("a=b", "a").as_deref(), Some("b"));
        assert_eq!(
            read("x=1&a=b+c%3D%26%c3%A9&y", "a").as_deref(),
            Some("b c=&é")
        );
        assert_eq!(read("a=b=c", "a").as_deref(), Some("b=c"));
        assert_eq!(read("%61=b", "a").as_deref(), Some("b"));
        assert_eq!(read("a=&b=c", "a"), None);
        assert_eq!(read("", "a"), None);
        assert_eq!(read("&&a=b&", "a").as_deref(), Some("b"));
    }

    /// ER-04: two readers could take two different ones.
    #[test]
    fn a_name_that_stands_there_twice_is_refused() {
        for body in ["a=b&a=b", "a=b&a=", "a&a", "a=b&%61=c"] {
            assert!(
                matches!(Form::parse(body.as_bytes()), Err(FormError::Repeated)),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for body in ["a=%", "a=%4", "a=%zz", "%g1=b", "a=%ff", "a=%+1"] {
            assert!(
                matches!(Form::parse(body.as_bytes()), Err(FormError::Malformed)),
                "{body}"
            );
        }
        assert!(matches!(Form::parse(b"a=\xff"), Err(FormError::Malformed)));
        let many: Vec<_> = (0..65).map(|number| format!("a{number}=b")).collect();
        assert!(Form::parse(many[1..].join("&").as_bytes()).is_ok());
        assert!(matches!(
            Form::parse(many.join("&").as_bytes()),
            Err(FormError::TooMany)
        ));
    }
}
