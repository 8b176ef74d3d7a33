//! Where keys and revocations come from.

use token::KeySet;

use super::{ConfigError, Members, OnStale};

/// Where the feed is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Companion {
    /// The Envoy cluster of the companion's internal listener.
    pub(crate) cluster: String,
    /// `:authority` of the polls.
    pub(crate) authority: String,
    /// The environment variable of the gateway token.
    pub(crate) token_env: String,
}

/// Keys that are pinned instead of fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PinnedKeys {
    pub(crate) access: Option<KeySet>,
    pub(crate) feed: Option<KeySet>,
}

pub(super) fn parse_companion(mut members: Members<'_>) -> Result<Companion, ConfigError> {
    let companion = Companion {
        cluster: members.required_text("cluster")?.to_owned(),
        authority: members.text("authority")?.unwrap_or("companion").to_owned(),
        token_env: members.required_text("token_env")?.to_owned(),
    };
    let is_token =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    for (name, text) in [
        ("companion.cluster", &companion.cluster),
        ("companion.authority", &companion.authority),
    ] {
        if !is_token(text) {
            return Err(ConfigError::new(name, "must be printable and not empty"));
        }
    }
    let is_variable = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !is_variable(&companion.token_env) || companion.token_env.is_empty() {
        return Err(ConfigError::new(
            "companion.token_env",
            "must be the name of an environment variable",
        ));
    }
    members.finish()?;
    Ok(companion)
}

pub(super) fn parse_pinned(mut members: Members<'_>) -> Result<PinnedKeys, ConfigError> {
    let mut set = |name: &str| {
        let Some(value) = members.value(name) else {
            return Ok(None);
        };
        let set = KeySet::parse_value(value)
            .map_err(|error| ConfigError::new(format!("jwks.{name}"), error.to_string()))?;
        Ok(Some(set))
    };
    let pinned = PinnedKeys {
        access: set("inline")?,
        feed: set("feed")?,
    };
    members.finish()?;
    if pinned == PinnedKeys::default() {
        return Err(ConfigError::new(
            "jwks",
            "must hold `inline`, `feed` or both",
        ));
    }
    if let (Some(access), Some(feed)) = (&pinned.access, &pinned.feed)
        && access.shares_a_key_with(feed)
    {
        return Err(ConfigError::new(
            "jwks.feed",
            "holds a key that also signs access tokens",
        ));
    }
    Ok(pinned)
}

/// Keys must come from somewhere, and without a feed nobody can promise that a revocation arrives.
pub(super) fn check(
    companion: Option<&Companion>,
    pinned: &PinnedKeys,
    on_stale: OnStale,
) -> Result<(), ConfigError> {
    if companion.is_some() {
        return Ok(());
    }
    if pinned.access.is_none() {
        return Err(ConfigError::new(
            "companion",
            "is required unless `jwks.inline` holds the keys",
        ));
    }
    if pinned.feed.is_some() {
        return Err(ConfigError::new(
            "jwks.feed",
            "has no use without `companion`",
        ));
    }
    if on_stale == OnStale::Deny {
        return Err(ConfigError::new(
            "on_stale",
            "must be \"allow\" without `companion`: no revocation can arrive",
        ));
    }
    Ok(())
}
