//! The plugin configuration, read strictly: a pure function of its bytes (FR-21).

mod credentials;
mod demands;
mod reader;
mod rules;
mod sources;
mod staleness;

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use token::{KeySet, strict_json};

use crate::identity::IdentityHeaders;

pub(crate) use credentials::Credentials;
pub(crate) use demands::Demands;
pub(crate) use reader::Members;
pub(crate) use rules::{Reading, Require, Rule};
pub(crate) use sources::{Companion, PinnedKeys};
pub(crate) use staleness::Bounds;

/// Why a configuration is refused: the path of the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    path: String,
    problem: String,
}

impl ConfigError {
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.problem),
            path => write!(f, "{path}: {}", self.problem),
        }
    }
}

/// What happens when the state is older than `max_staleness`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnStale {
    /// 503.
    Deny,
    /// Requests pass and the app is told; the one setting that trades safety for availability.
    Allow,
}

/// A configuration that can be worked with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    /// Those, and all that any rule asks for instead.
    pub(crate) all_audiences: Vec<String>,
    pub(crate) companion: Option<Companion>,
    pub(crate) pinned: PinnedKeys,
    pub(crate) clock_skew: Duration,
    pub(crate) max_token_lifetime: Duration,
    pub(crate) max_staleness: Duration,
    pub(crate) staleness: Bounds,
    pub(crate) on_stale: OnStale,
    pub(crate) realm: String,
    pub(crate) credentials: Credentials,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) login_page: Option<String>,
    pub(crate) identity: IdentityHeaders,
    pub(crate) forward_token: bool,
    pub(crate) token_cache_size: usize,
    pub(crate) ready_path: Option<String>,
    pub(crate) rules: Vec<Rule>,
    /// Names the subscription: configurations that agree in all that shapes the feed share one.
    pub(crate) namespace: String,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let document = parse_json(bytes)?;
        let mut members = Members::new("", &document)?;
        let issuer = members.required_text("issuer")?.to_owned();
        check_name("issuer", &issuer)?;
        let audiences = members
            .texts("audiences")?
            .ok_or_else(|| ConfigError::new("audiences", "is required"))?;
        if audiences.is_empty() {
            return Err(ConfigError::new(
                "audiences",
                "must name at least one audience",
            ));
        }
        audiences
            .iter()
            .try_for_each(|audience| check_name("audiences", audience))?;
        let companion = members
            .object("companion")?
            .map(sources::parse_companion)
            .transpose()?;
        let pinned = members
            .object("jwks")?
            .map(sources::parse_pinned)
            .transpose()?
            .unwrap_or_default();
        let on_stale = match members.text("on_stale")? {
            None | Some("deny") => OnStale::Deny,
            Some("allow") => OnStale::Allow,
            Some(_) => {
                return Err(ConfigError::new(
                    "on_stale",
                    "must be \"deny\" or \"allow\"",
                ));
            }
        };
        sources::check(companion.as_ref(), &pinned, on_stale)?;
        let credentials = credentials::parse(members.object("credentials")?)?;
        let max_staleness = members.duration("max_staleness", 60, staleness::RANGE)?;
        let rules = rules::parse(members.array("rules")?)?;
        let staleness = staleness::bounds(max_staleness, &rules);
        let ready_path = parse_ready_path(members.text("ready_path")?)?;
        let config = Self {
            namespace: namespace(&document, &issuer, on_stale, staleness),
            realm: realm(members.text("realm")?, &issuer)?,
            clock_skew: members.duration("clock_skew", 30, 0..=60)?,
            max_token_lifetime: members.duration("max_token_lifetime", 900, 1..=86_400)?,
            allowed_origins: credentials::parse_origins(members.texts("allowed_origins")?)?,
            login_page: credentials::parse_login_page(
                members.text("login_page")?,
                &rules,
                ready_path.as_deref(),
            )?,
            credentials,
            identity: IdentityHeaders::parse(members.object("identity_headers")?)?,
            forward_token: members.flag("forward_token")?.unwrap_or(false),
            token_cache_size: members.count("token_cache_size", 4_096, 1..=1_000_000)?,
            ready_path,
            all_audiences: all_audiences(&audiences, &rules),
            rules,
            issuer,
            audiences,
            companion,
            pinned,
            max_staleness,
            staleness,
            on_stale,
        };
        members.finish()?;
        Ok(config)
    }

    /// What is allowed and dangerous, for the log.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let keys = [&self.pinned.access, &self.pinned.feed];
        let ignored = keys.into_iter().flatten().flat_map(KeySet::ignored);
        let mut warnings: Vec<_> = ignored
            .map(|ignored| {
                format!("a key of `jwks` is not used, what it signed is refused: {ignored}")
            })
            .collect();
        let cookie = self.credentials.cookie.as_deref();
        if let Some(name) = cookie.filter(|name| !name.starts_with("__Host-")) {
            warnings.push(format!(
                "`credentials.cookie`: pages of other hosts of the site can set the cookie {name} and log a visitor in as somebody else; name it __Host-…"
            ));
        }
        if !self.allowed_origins.is_empty() && cookie.is_none() {
            warnings.push("`allowed_origins` has no use without `credentials.cookie`".to_owned());
        }
        if self.login_page.is_some() && cookie.is_none() {
            warnings.push(
                "`login_page` without `credentials.cookie`: a browser has no other way to carry a token"
                    .to_owned(),
            );
        }
        warnings
    }

    /// Whether the decision depends on the path at all.
    pub(crate) fn has_path_rules(&self) -> bool {
        !self.rules.is_empty() || self.ready_path.is_some()
    }

    /// Whether the decision depends on the method.
    pub(crate) fn has_method_rules(&self) -> bool {
        self.rules.iter().any(Rule::names_methods)
    }

    /// Whether the decision depends on the host.
    pub(crate) fn has_host_rules(&self) -> bool {
        self.rules.iter().any(Rule::names_hosts)
    }
}

fn parse_json(bytes: &[u8]) -> Result<Value, ConfigError> {
    if bytes.is_empty() {
        return Err(ConfigError::new(
            "",
            "the configuration is empty; `issuer` and `audiences` are required",
        ));
    }
    // A `google.protobuf.Struct` reaches the plugin as its wire format, which begins with the tag of its first field.
    if !matches!(bytes.trim_ascii_start().first(), Some(b'{')) {
        let problem = "the configuration must be a JSON object in a google.protobuf.StringValue (a Struct arrives as protobuf bytes)";
        return Err(ConfigError::new("", problem));
    }
    strict_json(bytes).map_err(|error| {
        ConfigError::new("", format!("the configuration is not strict JSON: {error}"))
    })
}

/// An issuer or audience: neither empty nor a wildcard (CF-02).
fn check_name(path: &str, name: &str) -> Result<(), ConfigError> {
    let is_good =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.contains('*');
    is_good
        .then_some(())
        .ok_or_else(|| ConfigError::new(path, "must be printable, not empty and without wildcard"))
}

/// It answers before all rules, whatever the method.
fn parse_ready_path(path: Option<&str>) -> Result<Option<String>, ConfigError> {
    let path = path
        .map(|path| rules::plain_path("ready_path", path))
        .transpose()?;
    if path.as_deref() == Some("/") {
        let problem = "would hide the root of the site; name a path such as \"/-/latchkey/ready\"";
        return Err(ConfigError::new("ready_path", problem));
    }
    Ok(path)
}

/// Whom a token may be for to be worth keeping; each rule looks again.
fn all_audiences(audiences: &[String], rules: &[Rule]) -> Vec<String> {
    let of_rules = rules
        .iter()
        .filter_map(|rule| rule.demands()?.audiences.as_ref());
    let mut all = audiences.to_vec();
    all.extend(of_rules.flatten().cloned());
    all.sort_unstable();
    all.dedup();
    all
}

/// The protection space of the challenges (RFC 9110 section 11.5): the issuer's host unless said otherwise.
fn realm(text: Option<&str>, issuer: &str) -> Result<String, ConfigError> {
    let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or(host);
    let realm = text.unwrap_or(host);
    let is_quotable = !realm.is_empty()
        && realm
            .bytes()
            .all(|byte| (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b'"' | b'\\'));
    is_quotable.then(|| realm.to_owned()).ok_or_else(|| {
        ConfigError::new(
            "realm",
            "must be printable, without quotation mark or backslash",
        )
    })
}

/// Names the subscription by all that shapes it: an edit of rules keeps it, a change of these starts another.
fn namespace(document: &Value, issuer: &str, on_stale: OnStale, staleness: Bounds) -> String {
    let part = |name: &str| document.get(name).map(Value::to_string).unwrap_or_default();
    // JSON strings cannot contain a bare line feed, so no two different inputs give one text.
    let text = format!(
        "1\n{}\n{}\n{}\n{on_stale:?}\n{}\n{}",
        Value::from(issuer),
        part("companion"),
        part("jwks"),
        staleness.smallest.as_secs(),
        staleness.largest.as_secs(),
    );
    let mut name = [0; 16];
    name.iter_mut()
        .zip(Sha256::digest(text))
        .for_each(|(to, from)| *to = from);
    format!("{:032x}", u128::from_be_bytes(name))
}

#[cfg(test)]
mod tests;
