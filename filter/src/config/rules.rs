//! Rules: which requests need what. The first match wins; without a match a token is required.

use serde_json::Value;

use super::{ConfigError, Members};
use crate::path;

/// What a rule asks of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Require {
    /// Nothing; no token is looked at.
    Nothing,
    /// None is fine, a bad one is refused.
    Optional,
    /// A good token.
    Token,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    place: Place,
    methods: Option<Vec<String>>,
    pub(crate) require: Require,
    pub(crate) forward_token: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Exactly(String),
    Below(String),
}

impl Rule {
    /// Whether the rule is for this request.
    pub(crate) fn matches(&self, method: &[u8], path: &str) -> bool {
        let is_there = match &self.place {
            Place::Exactly(exact) => path == exact,
            Place::Below(prefix) => path::is_below(path, prefix),
        };
        let has_method =
            |methods: &Vec<String>| methods.iter().any(|name| name.as_bytes() == method);
        is_there && self.methods.as_ref().is_none_or(has_method)
    }
}

pub(super) fn parse(rules: &[Value]) -> Result<Vec<Rule>, ConfigError> {
    rules
        .iter()
        .enumerate()
        .map(|(at, rule)| parse_rule(&format!("rules[{at}]"), rule))
        .collect()
}

fn parse_rule(path: &str, rule: &Value) -> Result<Rule, ConfigError> {
    let mut members = Members::new(path, rule)?;
    let matching = members
        .object("match")?
        .ok_or_else(|| ConfigError::new(format!("{path}.match"), "is required"))?;
    let (place, methods) = parse_match(matching)?;
    let require_path = members.path_of("require");
    let require = match members.value("require") {
        None => Require::Token,
        Some(Value::String(word)) => match word.as_str() {
            "none" => Require::Nothing,
            "optional" => Require::Optional,
            "token" => Require::Token,
            _ => {
                return Err(ConfigError::new(
                    require_path,
                    "must be \"none\", \"optional\", \"token\" or an object",
                ));
            }
        },
        Some(Value::Object(_)) => {
            return Err(ConfigError::new(
                require_path,
                "an object is not supported yet",
            ));
        }
        Some(_) => {
            return Err(ConfigError::new(
                require_path,
                "must be \"none\", \"optional\", \"token\" or an object",
            ));
        }
    };
    let rule = Rule {
        place,
        methods,
        require,
        forward_token: members.flag("forward_token")?,
    };
    members.finish()?;
    Ok(rule)
}

fn parse_match(mut members: Members<'_>) -> Result<(Place, Option<Vec<String>>), ConfigError> {
    let (prefix, exact) = (members.text("prefix")?, members.text("path")?);
    let place = match (prefix, exact) {
        (Some(prefix), None) => Place::Below(plain_path(&members.path_of("prefix"), prefix)?),
        (None, Some(path)) => Place::Exactly(plain_path(&members.path_of("path"), path)?),
        _ => {
            return Err(ConfigError::new(
                members.path_of("prefix"),
                "exactly one of `prefix` and `path` is required",
            ));
        }
    };
    let methods = members.texts("methods")?;
    let is_method = |name: &String| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
    };
    if methods
        .as_ref()
        .is_some_and(|methods| methods.is_empty() || !methods.iter().all(is_method))
    {
        return Err(ConfigError::new(
            members.path_of("methods"),
            "must name at least one method, in capitals",
        ));
    }
    members.refuse("hosts")?;
    members.finish()?;
    Ok((place, methods))
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
