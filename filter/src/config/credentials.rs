//! Where a credential may stand, and what a browser needs besides.

use super::{ConfigError, Members, Reading, Rule, rules};
use crate::authority::Host;
use crate::{cookie, path};

/// Where a credential may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// In `authorization`, as RFC 6750 section 2.1 has it.
    pub(crate) header: bool,
    /// In the cookie of this name.
    pub(crate) cookie: Option<String>,
}

pub(super) fn parse(members: Option<Members<'_>>) -> Result<Credentials, ConfigError> {
    let Some(mut members) = members else {
        return Ok(Credentials {
            header: true,
            cookie: None,
        });
    };
    let credentials = Credentials {
        header: members.flag("header")?.unwrap_or(true),
        cookie: members.text("cookie")?.map(str::to_owned),
    };
    let is_nameable = |name: &String| cookie::is_name(name);
    if !credentials.cookie.as_ref().is_none_or(is_nameable) {
        return Err(ConfigError::new(
            members.path_of("cookie"),
            "must be the name of a cookie",
        ));
    }
    if !credentials.header && credentials.cookie.is_none() {
        return Err(ConfigError::new(
            members.path_of("header"),
            "must be true where no `cookie` is named: no request could carry a credential",
        ));
    }
    members.finish()?;
    Ok(credentials)
}

/// Reads `allowed_origins`, in the one spelling that browsers send (RFC 6454 section 6.2): anything else would never match.
pub(super) fn parse_origins(origins: Option<Vec<String>>) -> Result<Vec<String>, ConfigError> {
    let fault = |problem: String| Err(ConfigError::new("allowed_origins", problem));
    let origins = origins.unwrap_or_default();
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(origin) => fault(format!(
            "must hold origins such as \"https://www.example.com\", in lower case, without path and default port: {origin:?}"
        )),
        None => Ok(origins),
    }
}

fn is_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        });
    is_scheme
        && Host::parse(host.as_bytes()).is_some_and(|read| {
            read.to_string() == host && (read.port().is_none() || read.port() != default_port)
        })
}

/// Where a page may be without a token crossing a network in the clear.
fn is_secure(origin: &str) -> bool {
    let loopback = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
    let is_loopback = |host: &&str| {
        let rest = origin.strip_prefix(*host);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    is_origin(origin) && (origin.starts_with("https://") || loopback.iter().any(is_loopback))
}

/// Reads `login_page`: a path of this origin, or a page elsewhere. It must be reachable without a token.
pub(super) fn parse_login_page(
    page: Option<&str>,
    rules: &[Rule],
    ready_path: Option<&str>,
) -> Result<Option<String>, ConfigError> {
    let fault = |problem| Err(ConfigError::new("login_page", problem));
    let Some(page) = page else {
        return Ok(None);
    };
    if page.starts_with('/') {
        let page = rules::plain_path("login_page", page)?;
        if ready_path == Some(&page) {
            return fault("is the same as `ready_path`");
        }
        if !(is_open("GET", &page, rules) && is_open("HEAD", &page, rules)) {
            return fault(
                "needs a rule that asks for no token there: browsers would be sent to it for ever",
            );
        }
        return Ok(Some(page));
    }
    let path_at = page.split_once("://").and_then(|(scheme, rest)| {
        let host = rest.find('/').unwrap_or(rest.len());
        scheme.len().checked_add(3)?.checked_add(host)
    });
    let is_page = path_at
        .and_then(|at| page.split_at_checked(at))
        .is_some_and(|(origin, path)| {
            let is_path = path.is_empty() || path::unambiguous(path.as_bytes()) == Some(path);
            is_secure(origin) && is_path
        });
    if !is_page {
        return fault(
            "must be a path such as \"/login\", or a page at an https origin (http on loopback), without query",
        );
    }
    Ok(Some(page.to_owned()))
}

/// Whether the first rule that is for this path, whatever the host, asks for no token; those before it that are for some hosts, too.
fn is_open(method: &str, page: &str, rules: &[Rule]) -> bool {
    let page = path::Path::new(page);
    let mut found = false;
    for rule in rules
        .iter()
        .filter(|rule| rule.matches(method.as_bytes(), &page, None, Reading::Loosely))
    {
        if !rule.passes_without_token() {
            return false;
        }
        found = true;
        if !rule.names_hosts() {
            break;
        }
    }
    found
}
