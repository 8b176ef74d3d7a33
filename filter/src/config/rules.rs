//! Rules: which requests need what. The first match wins; without a match a token is required.

use serde_json::Value;

use super::{ConfigError, Demands, Members, demands};
use crate::authority::{Host, HostPattern};
use crate::path::{self, Path};

/// What a rule asks of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Require {
    /// Nothing; no token is looked at.
    Nothing,
    /// None is fine, a bad one is refused.
    Optional,
    /// A good token that meets these demands.
    Token(Demands),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    place: Place,
    methods: Option<Vec<String>>,
    hosts: Option<Vec<HostPattern>>,
    pub(crate) require: Require,
    pub(crate) forward_token: Option<bool>,
}

/// A path in both readings.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Exactly(Path),
    Below(Path),
}

/// Who reads a request. Envoy routes as the first does, apps may read as the second; where they meet different rules, the request is
/// refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Characters that are encoded differ from those that are not (RFC 3986 section 2.2), and ports count.
    ToTheLetter,
    /// Encoded or not is the same, and a port that was not named says nothing.
    Loosely,
}

impl Rule {
    /// Whether the rule is for this request. Where no `host` is given, hosts are not asked.
    pub(crate) fn matches(
        &self,
        method: &[u8],
        path: &Path,
        host: Option<&Host>,
        reading: Reading,
    ) -> bool {
        let is_there = match &self.place {
            Place::Exactly(exact) => path.in_reading(reading) == exact.in_reading(reading),
            Place::Below(prefix) => {
                path::is_below(path.in_reading(reading), prefix.in_reading(reading))
            }
        };
        let has_method =
            |methods: &Vec<String>| methods.iter().any(|name| name.as_bytes() == method);
        let is_host = |pattern: &HostPattern, host: &Host| match reading {
            Reading::ToTheLetter => pattern.matches_with_port(host),
            Reading::Loosely => pattern.matches_by_name(host),
        };
        let has_host = |hosts: &Vec<HostPattern>| {
            host.is_none_or(|host| hosts.iter().any(|pattern| is_host(pattern, host)))
        };
        is_there
            && self.methods.as_ref().is_none_or(has_method)
            && self.hosts.as_ref().is_none_or(has_host)
    }

    /// Whether it is for some methods only.
    pub(crate) const fn names_methods(&self) -> bool {
        self.methods.is_some()
    }

    /// Whether it is for some hosts only.
    pub(crate) const fn names_hosts(&self) -> bool {
        self.hosts.is_some()
    }

    /// Whether no request ever gets from this rule to the next one where `other` matches too.
    fn covers(&self, other: &Self) -> bool {
        let is_wider = match (&self.place, &other.place) {
            (Place::Below(prefix), Place::Below(path) | Place::Exactly(path)) => {
                path::is_below(&path.decoded, &prefix.decoded)
            }
            (Place::Exactly(one), Place::Exactly(other)) => one == other,
            (Place::Exactly(_), Place::Below(_)) => false,
        };
        let has_all = |methods: &Vec<String>| {
            let others = other.methods.as_ref();
            others.is_some_and(|others| others.iter().all(|name| methods.contains(name)))
        };
        is_wider && self.methods.as_ref().is_none_or(has_all) && self.hosts.is_none()
    }

    /// How much it asks for.
    fn strictness(&self) -> u8 {
        match &self.require {
            Require::Nothing => 0,
            Require::Optional => 1,
            Require::Token(demands) if *demands == Demands::default() => 2,
            Require::Token(_) => 3,
        }
    }

    pub(crate) const fn passes_without_token(&self) -> bool {
        matches!(self.require, Require::Nothing | Require::Optional)
    }

    /// What it asks of a token.
    pub(crate) const fn demands(&self) -> Option<&Demands> {
        match &self.require {
            Require::Token(demands) => Some(demands),
            Require::Nothing | Require::Optional => None,
        }
    }
}

pub(super) fn parse(rules: &[Value]) -> Result<Vec<Rule>, ConfigError> {
    let rules = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| parse_rule(&format!("rules[{at}]"), rule))
        .collect::<Result<Vec<_>, _>>()?;
    for (at, rule) in rules.iter().enumerate() {
        let mut earlier = rules.iter().take(at);
        // One that asks for less than the rule that hides it is superfluous; one that asks for more was meant to protect something.
        let hiding =
            earlier.position(|other| other.covers(rule) && other.strictness() < rule.strictness());
        if let Some(hiding) = hiding {
            return Err(ConfigError::new(
                format!("rules[{at}].match"),
                format!(
                    "can never match, because rules[{hiding}] asks for less and comes first; put the stricter rule first"
                ),
            ));
        }
    }
    Ok(rules)
}

fn parse_rule(path: &str, rule: &Value) -> Result<Rule, ConfigError> {
    let mut members = Members::new(path, rule)?;
    let mut matching = members
        .object("match")?
        .ok_or_else(|| ConfigError::new(format!("{path}.match"), "is required"))?;
    let rule = Rule {
        place: parse_place(&mut matching)?,
        methods: parse_methods(&mut matching)?,
        hosts: parse_hosts(&mut matching)?,
        require: parse_require(&mut members)?,
        forward_token: members.flag("forward_token")?,
    };
    matching.finish()?;
    members.finish()?;
    Ok(rule)
}

fn parse_require(members: &mut Members<'_>) -> Result<Require, ConfigError> {
    let path = members.path_of("require");
    match members.value("require") {
        None => Ok(Require::Token(Demands::default())),
        Some(Value::String(word)) if word == "none" => Ok(Require::Nothing),
        Some(Value::String(word)) if word == "optional" => Ok(Require::Optional),
        Some(Value::String(word)) if word == "token" => Ok(Require::Token(Demands::default())),
        Some(object @ Value::Object(_)) => {
            demands::parse(Members::new(&path, object)?).map(Require::Token)
        }
        Some(_) => Err(ConfigError::new(
            path,
            "must be \"none\", \"optional\", \"token\" or an object",
        )),
    }
}

fn parse_place(matching: &mut Members<'_>) -> Result<Place, ConfigError> {
    match (matching.text("prefix")?, matching.text("path")?) {
        (Some(prefix), None) => literal_path(&matching.path_of("prefix"), prefix).map(Place::Below),
        (None, Some(path)) => literal_path(&matching.path_of("path"), path).map(Place::Exactly),
        _ => Err(ConfigError::new(
            matching.path_of("prefix"),
            "exactly one of `prefix` and `path` is required",
        )),
    }
}

fn parse_methods(matching: &mut Members<'_>) -> Result<Option<Vec<String>>, ConfigError> {
    let methods = matching.texts("methods")?;
    let is_method = |name: &String| {
        let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        !name.is_empty() && name.bytes().all(is_letter)
    };
    if methods
        .as_ref()
        .is_some_and(|methods| methods.is_empty() || !methods.iter().all(is_method))
    {
        return Err(ConfigError::new(
            matching.path_of("methods"),
            "must name at least one method, in capitals",
        ));
    }
    Ok(methods)
}

fn parse_hosts(matching: &mut Members<'_>) -> Result<Option<Vec<HostPattern>>, ConfigError> {
    let Some(hosts) = matching.texts("hosts")? else {
        return Ok(None);
    };
    let patterns: Option<Vec<_>> = hosts.iter().map(|host| HostPattern::parse(host)).collect();
    patterns
        .filter(|patterns| !patterns.is_empty())
        .map(Some)
        .ok_or_else(|| {
            ConfigError::new(
                matching.path_of("hosts"),
                "must name at least one host, such as \"www.example.com\" or \"*.example.com\", in lower case",
            )
        })
}

/// The path of a rule. What looks like a pattern is refused: it would be compared to the letter and match nothing.
fn literal_path(field: &str, text: &str) -> Result<Path, ConfigError> {
    let path = plain_path(field, text)?;
    if path.contains(['*', '{', '}', '[', ']', '^', '|', '<', '>', '"', '`']) {
        return Err(ConfigError::new(
            field,
            "must be a path, not a pattern; write characters such as `*` percent-encoded if they are meant",
        ));
    }
    Ok(Path::new(&path))
}

/// A path that a request can have in one reading only; any other would never match.
pub(super) fn plain_path(field: &str, text: &str) -> Result<String, ConfigError> {
    match path::unambiguous(text.as_bytes()) {
        Some(path) if path == text => Ok(text.to_owned()),
        _ => Err(ConfigError::new(
            field,
            "must begin with `/` and have one reading only (no `//`, `..`, `;`, `?`, needless `%`)",
        )),
    }
}
