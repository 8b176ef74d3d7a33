//! `[cookies]`.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Settings, demand};

/// Browsers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cookies {
    /// Origins beside that of `base_url` whose pages may send requests with cookies, log in and sign up.
    pub allowed_origins: Vec<String>,
}

impl Cookies {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        demand(
            self.allowed_origins.iter().all(|origin| is_origin(origin)),
            "cookies.allowed_origins",
            "must hold origins as browsers write them: scheme://host or scheme://host:port, in lower case, without a default port, a path or a wildcard",
        )
    }
}

impl Settings {
    /// Whether pages of that origin are ours (CK-05): it is that of `base_url`, or the operator named it.
    pub fn is_own_origin(&self, origin: &[u8]) -> bool {
        let mut own = self.own_origins();
        own.any(|own| own.as_bytes() == origin)
    }

    /// Those origins.
    pub fn own_origins(&self) -> impl Iterator<Item = String> {
        let named = self.cookies.allowed_origins.iter().cloned();
        std::iter::once(as_browsers_write(&self.base_url)).chain(named)
    }
}

/// RFC 6454 section 6.2: in lower case, and without the port that the scheme implies.
fn as_browsers_write(url: &str) -> String {
    let url = url.to_ascii_lowercase();
    let default = if url.starts_with("https:") {
        ":443"
    } else {
        ":80"
    };
    url.strip_suffix(default).map(str::to_owned).unwrap_or(url)
}

/// No `null`: any sandboxed page has that origin (CK-09).
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = |byte: u8| byte.is_ascii_lowercase() || b"+-.".contains(&byte);
    let is_authority =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    !scheme.is_empty()
        && scheme.bytes().all(is_scheme)
        && !authority.is_empty()
        && authority.bytes().all(is_authority)
        && as_browsers_write(text) == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_write() {
        for origin in [
            "https://app.example.com",
            "https://app.example.com:8443",
            "http://localhost:5173",
            "http://[::1]:8000",
            "capacitor://localhost",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "",
            "null",
            "*",
            "https://",
            "https://*.example.com",
            "https://App.example.com",
            "https://app.example.com/",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "app.example.com",
            "https://user@app.example.com",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }

    /// CK-05: exact, scheme and port included.
    #[test]
    fn the_base_url_s_own_origin_is_taken_and_what_is_like_it_is_not() {
        let settings = Settings {
            base_url: "https://WWW.example.com:443".to_owned(),
            cookies: Cookies {
                allowed_origins: vec!["https://app.example.com".to_owned()],
            },
            ..Settings::default()
        };
        for own in ["https://www.example.com", "https://app.example.com"] {
            assert!(settings.is_own_origin(own.as_bytes()), "{own}");
        }
        for other in [
            "http://www.example.com",
            "https://www.example.com:443",
            "https://example.com",
            "https://evil.app.example.com",
            "null",
            "",
        ] {
            assert!(!settings.is_own_origin(other.as_bytes()), "{other}");
        }
    }
}
