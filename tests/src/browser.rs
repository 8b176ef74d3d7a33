//! A browser, as far as cookies go: it keeps those that it may keep, sends those that fit, forgets those whose time is over, and says
//! which page asks. Rules of draft-ietf-httpbis-rfc6265bis, sections 5.5 to 5.8, for one host that counts as secure.

use serde_json::Value;

use crate::client::{Answer, Client};
use crate::fault::Fault;

/// A page of the site itself.
pub const OWN_PAGE: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];
/// A page of anybody else.
pub const FOREIGN_PAGE: &[(&str, &str)] = &[
    ("sec-fetch-site", "cross-site"),
    ("origin", "https://evil.example"),
];

/// A cookie that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where it goes: to this path and all below.
    pub path: String,
    /// `SameSite`.
    pub same_site: String,
    /// In seconds since 1970.
    pub expires_at: i64,
}

/// A browser with one host.
pub struct Browser {
    client: Client,
    cookies: Vec<Cookie>,
    now: i64,
}

impl Browser {
    /// One that has no cookies.
    pub const fn new(client: Client, now: i64) -> Self {
        Self {
            client,
            cookies: Vec::new(),
            now,
        }
    }

    /// Its clock.
    pub fn set_now(&mut self, now: i64) {
        self.now = now;
        self.cookies.retain(|cookie| cookie.expires_at > now);
    }

    /// All that it keeps.
    pub fn cookies(&self) -> &[Cookie] {
        &self.cookies
    }

    /// The cookie of that name.
    pub fn cookie(&self, name: &str) -> Option<&Cookie> {
        self.cookies.iter().find(|cookie| cookie.name == name)
    }

    /// Takes a cookie that somebody else has planted.
    pub fn plant(&mut self, cookie: Cookie) {
        self.cookies.push(cookie);
    }

    /// A page asks for `path`; what comes back is kept or forgotten. Cookies go along as `SameSite` has it.
    ///
    /// # Errors
    /// As [`crate::client::Request::send`], and for a cookie that browsers refuse.
    pub fn send(
        &mut self,
        page: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Fault> {
        let is_foreign = page.contains(&("sec-fetch-site", "cross-site"));
        self.send_as(page, method, path, body, is_foreign)
    }

    /// The same where the browser has not kept the cookies back, as one without `SameSite` would.
    ///
    /// # Errors
    /// As [`Browser::send`].
    pub fn send_with_all(
        &mut self,
        page: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Fault> {
        self.send_as(page, method, path, body, false)
    }

    fn send_as(
        &mut self,
        page: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Option<&Value>,
        is_foreign: bool,
    ) -> Result<Answer, Fault> {
        let mut request = self.client.request(method, path);
        for (name, value) in page {
            request = request.header(name, value);
        }
        let sent: Vec<String> = self
            .cookies
            .iter()
            .filter(|cookie| covers(&cookie.path, path))
            // A script or a form of another site: neither Lax nor Strict goes along.
            .filter(|_| !is_foreign)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if !sent.is_empty() {
            request = request.header("cookie", &sent.join("; "));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send()?;
        for field in answer.all("set-cookie") {
            self.keep(field)?;
        }
        Ok(answer)
    }

    fn keep(&mut self, field: &str) -> Result<(), Fault> {
        let cookie = read(field, self.now)?;
        let is_same = |known: &Cookie| known.name == cookie.name && known.path == cookie.path;
        self.cookies.retain(|known| !is_same(known));
        if cookie.expires_at > self.now {
            self.cookies.push(cookie);
        }
        Ok(())
    }
}

/// Section 5.1.4: the path itself, or whole segments above it.
fn covers(cookie: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    path == cookie
        || path
            .strip_prefix(cookie)
            .is_some_and(|rest| cookie.ends_with('/') || rest.starts_with('/'))
}

/// Section 5.7, and what the prefixes demand.
fn read(field: &str, now: i64) -> Result<Cookie, Fault> {
    let refused = |why: &str| Err(Fault::new(format!("a browser refuses {field}: {why}")));
    let mut parts = field.split(';').map(str::trim);
    let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
        return refused("no name");
    };
    let attributes: Vec<(String, &str)> = parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let attribute = |name: &str| {
        let mut found = attributes.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| *value)
    };
    if name.len() + value.len() > 4_096 {
        return refused("too large");
    }
    if attribute("secure").is_none() || attribute("httponly").is_none() {
        return refused("not Secure and HttpOnly");
    }
    if attribute("domain").is_some() {
        return refused("a Domain");
    }
    let path = attribute("path").unwrap_or_default();
    if name.starts_with("__Host-") && path != "/" {
        return refused("__Host- with a path");
    }
    let Some(Ok(max_age)) = attribute("max-age").map(str::parse::<i64>) else {
        return refused("no Max-Age");
    };
    Ok(Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        path: path.to_owned(),
        same_site: attribute("samesite").unwrap_or_default().to_owned(),
        expires_at: now + max_age,
    })
}
