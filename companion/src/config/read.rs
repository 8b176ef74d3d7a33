//! Reading settings: the file first, then the variables; every unknown key of the file is an error that names its path (CF-01).

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::Settings;

/// Why the settings are refused: the key, and what is wrong with it.
#[derive(Debug)]
pub struct ConfigError {
    key: String,
    what: String,
}

impl ConfigError {
    pub(super) fn at(key: &str, what: impl fmt::Display) -> Self {
        Self {
            key: key.to_owned(),
            what: what.to_string(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration refused: {}: {}", self.key, self.what)
    }
}

impl std::error::Error for ConfigError {}

/// Settings, and what an operator should hear about them.
#[derive(Debug)]
pub struct Read {
    /// Checked.
    pub settings: Settings,
    /// The file that they came from.
    pub file: Option<PathBuf>,
    /// `LATCHKEY_…` variables that mean nothing.
    pub unknown: Vec<String>,
}

const PREFIX: &str = "LATCHKEY_";
/// Of the environment, but no setting of the companion: the launcher's, the gateway's, and the name of the file.
const OTHERS: [&str; 3] = ["CONFIG", "LOG", "GATEWAY_TOKEN"];
/// Sections that the contract knows and this version does not.
const LATER: [&str; 1] = ["totp"];

/// Reads the file, if one is named, and the variables.
///
/// # Errors
/// [`ConfigError`].
pub fn read(
    file: Option<PathBuf>,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Read, ConfigError> {
    let mut tree = match &file {
        None => Map::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::at(&path.display().to_string(), error))?;
            toml::from_str(&text)
                .map_err(|error| ConfigError::at(&path.display().to_string(), error.message()))?
        }
    };
    if let Some(name) = LATER.iter().find(|name| tree.contains_key(**name)) {
        return Err(ConfigError::at(name, "not supported yet"));
    }
    let shape = serde_json::to_value(Settings::default())
        .map_err(|error| ConfigError::at("defaults", error))?;
    if let Some(path) = unknown_key(&tree, &shape, "") {
        return Err(ConfigError::at(&path, "unknown key"));
    }
    let mut unknown = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if rest == "PORT_GATEWAY" {
            // Without a base URL of its own the companion is reached through the gateway on this machine.
            tree.entry("base_url")
                .or_insert_with(|| format!("http://localhost:{value}").into());
        } else if !OTHERS.contains(&rest)
            && !rest.starts_with("PORT_")
            && !overlay(&mut tree, &shape, rest, &value)?
        {
            unknown.push(name);
        }
    }
    let settings: Settings = serde_path_to_error::deserialize(Value::Object(tree))
        .map_err(|error| ConfigError::at(&error.path().to_string(), error.inner()))?;
    settings.check()?;
    Ok(Read {
        settings,
        file,
        unknown,
    })
}

/// The path of the first key that no setting has.
fn unknown_key(tree: &Map<String, Value>, shape: &Value, above: &str) -> Option<String> {
    tree.iter().find_map(|(name, value)| {
        let path = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        match (shape.get(name), value) {
            (None, _) => Some(path),
            // Named by the operator: what each may hold its type knows.
            (Some(Value::Object(known)), _) if known.is_empty() => None,
            (Some(known), Value::Object(inner)) => unknown_key(inner, known, &path),
            (Some(_), _) => None,
        }
    })
}

/// Sets `A__B` as `a.b`, in the type that the default has there. False when there is no such setting.
fn overlay(
    tree: &mut Map<String, Value>,
    shape: &Value,
    name: &str,
    value: &str,
) -> Result<bool, ConfigError> {
    let path: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
    let Some((last, sections)) = path.split_last() else {
        return Ok(false);
    };
    let Some(known) = path.iter().try_fold(shape, |shape, key| shape.get(key)) else {
        return Ok(false);
    };
    let key = path.join(".");
    let value = match known {
        Value::Object(_) => return Ok(false),
        Value::Number(_) => Value::from(
            value
                .parse::<u64>()
                .map_err(|_| ConfigError::at(&key, "must be a number"))?,
        ),
        Value::Bool(_) => Value::from(
            value
                .parse::<bool>()
                .map_err(|_| ConfigError::at(&key, "must be true or false"))?,
        ),
        Value::Array(_) => value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect(),
        Value::String(_) | Value::Null => Value::from(value),
    };
    let mut section = tree;
    for name in sections {
        let inner = section.entry(name).or_insert_with(|| Map::new().into());
        section = inner
            .as_object_mut()
            .ok_or_else(|| ConfigError::at(name, "must be a table"))?;
    }
    section.insert(last.clone(), value);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn with(file: Option<&str>, variables: &[(&str, &str)]) -> Result<Read, String> {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written
            .write_all(file.unwrap_or_default().as_bytes())
            .unwrap();
        let path = file.map(|_| written.path().to_owned());
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        read(path, variables).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_override_the_file_and_the_file_the_defaults() {
        let read = with(
            Some("base_url = \"https://a.example\"\n[limits]\nlogin_per_address = \"1+1/1m\"\n[sessions]\nrefresh_grace = \"5s\"\n"),
            &[("LATCHKEY_LIMITS__LOGIN_PER_ADDRESS", "9+9/1m"), ("LATCHKEY_SESSIONS__MOST_PER_ACCOUNT", "3"), ("LATCHKEY_AUDIENCES", "a, b"), ("HOME", "/")],
        )
        .unwrap();
        let settings = read.settings;
        assert_eq!(settings.issuer(), "https://a.example");
        assert_eq!(settings.audiences(), ["a", "b"]);
        assert_eq!(settings.limits.login_per_address, "9+9/1m".parse().unwrap());
        assert_eq!(
            settings.sessions.refresh_grace,
            crate::span::Span::seconds(5)
        );
        assert_eq!(settings.sessions.most_per_account, 3);
        assert!(read.unknown.is_empty());
    }

    #[test]
    fn without_anything_it_is_one_machine_on_loopback() {
        let read = with(
            None,
            &[
                ("LATCHKEY_PORT_GATEWAY", "8010"),
                ("LATCHKEY_LISTNE", "x"),
                ("LATCHKEY_LIMITS", "x"),
            ],
        )
        .unwrap();
        assert_eq!(read.settings.issuer(), "http://localhost:8010");
        assert!(
            read.settings.listen.ip().is_loopback()
                && read.settings.internal_listen.ip().is_loopback()
        );
        assert_eq!(read.unknown, ["LATCHKEY_LISTNE", "LATCHKEY_LIMITS"]);
    }

    /// CF-01, CF-02: every one is refused, by the name of its key.
    #[test]
    fn what_cannot_be_meant_is_refused_by_the_name_of_its_key() {
        for (file, key) in [
            ("isuer = \"x\"", "isuer"),
            (
                "[limits]\nlogin_per_adress = \"1+1/1m\"",
                "limits.login_per_adress",
            ),
            (
                "[limits]\nlogin_per_address = \"0+1/1m\"",
                "limits.login_per_address",
            ),
            (
                "[limits]\nlogin_per_address = 5",
                "limits.login_per_address",
            ),
            (
                "[limits]\nfailures_in_a_row = 4",
                "limits.failures_in_a_row",
            ),
            ("issuer = \"\"", "issuer"),
            ("audiences = [\"*\"]", "audiences"),
            ("base_url = \"http://www.example.com\"", "base_url"),
            ("base_url = \"https://www.example.com/path\"", "base_url"),
            ("base_url = \"ftp://localhost\"", "base_url"),
            ("base_url = \"http://localhost:99999\"", "base_url"),
            ("listen = \"0.0.0.0:8080\"", "listen"),
            ("internal_listen = \"10.0.0.1:8081\"", "internal_listen"),
            ("trusted_hops = 0", "trusted_hops"),
            (
                "[tokens]\naccess_lifetime = \"1h\"",
                "tokens.access_lifetime",
            ),
            ("[tokens]\naccess_lifetime = 300", "tokens.access_lifetime"),
            ("[tokens]\nalgorithm = \"none\"", "tokens.algorithm"),
            ("[tokens]\nalgorithm = \"HS256\"", "tokens.algorithm"),
            (
                "[sessions]\nrefresh_grace = \"61s\"",
                "sessions.refresh_grace",
            ),
            (
                "[sessions]\nidle_lifetime = \"60d\"",
                "sessions.idle_lifetime",
            ),
            (
                "[sessions]\nidle_lifetime = \"4m\"",
                "sessions.idle_lifetime",
            ),
            (
                "[sessions]\nmost_per_account = 0",
                "sessions.most_per_account",
            ),
            (
                "[passwords]\nleast_characters = 7",
                "passwords.least_characters",
            ),
            (
                "[[admin_tokens]]\nname = \"a b\"\ntoken_file = \"x\"",
                "admin_tokens[0].name",
            ),
            (
                "[[admin_tokens]]\nname = \"a\"\ntoken = \"x\"",
                "admin_tokens[0].token",
            ),
            (
                "[[admin_tokens]]\nname = \"a\"\ntoken_file = \"x\"\n[[admin_tokens]]\nname = \"a\"\ntoken_file = \"y\"",
                "admin_tokens[1].name",
            ),
            ("drain_delay = \"6m\"", "drain_delay"),
            (
                "[filter]\nlogin_page = \"//elsewhere.example\"",
                "filter.login_page",
            ),
            ("[filter]\nmax_staleness = \"4s\"", "filter.max_staleness"),
            ("[store]\nkind = \"mysql\"", "store.kind"),
            ("[store]\nkind = \"postgres\"", "store.url_file"),
            ("[store]\nurl_file = \"x\"", "store.kind"),
            (
                "[store]\nkind = \"postgres\"\nurl_file = \"x\"\nurl_env = \"X\"",
                "store.url_file",
            ),
            ("[store]\nurl = \"postgres://x\"", "store.url"),
            ("[store]\nconnections = 1", "store.connections"),
            (
                "[cookies]\nallowed_origins = [\"null\"]",
                "cookies.allowed_origins",
            ),
            (
                "[cookies]\nallowed_origins = [\"https://*.example.com\"]",
                "cookies.allowed_origins",
            ),
        ] {
            let error = with(Some(file), &[]).map(|_| ()).unwrap_err();
            assert!(
                error.starts_with(&format!("configuration refused: {key}")),
                "{file}: {error}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(with(Some("this is no TOML"), &[]).is_err());
        let error = with(None, &[("LATCHKEY_TRUSTED_HOPS", "many")])
            .map(|_| ())
            .unwrap_err();
        assert!(error.contains("trusted_hops"), "{error}");
    }

    /// CF-01, CF-02, CK-03.
    #[test]
    fn keys_roles_and_clients_that_cannot_be_meant_are_refused() {
        let scopes: Vec<_> = (0..64).map(|number| format!("\"{number:064}\"")).collect();
        let long_scopes = format!("[roles.all]\nscopes = [{}]", scopes.join(", "));
        for (file, key) in [
            ("[keys]\nrotate_every = \"59m\"", "keys.rotate_every"),
            ("[keys]\npublish_ahead = \"4s\"", "keys.publish_ahead"),
            (
                "[keys]\nrotate_every = \"1h\"\npublish_ahead = \"31m\"",
                "keys.publish_ahead",
            ),
            (
                "old_master_key_files = [\"a\", \"b\", \"c\"]",
                "old_master_key_files",
            ),
            ("[roles.\"a,b\"]\nscopes = []", "roles.a,b"),
            ("[roles.teller]\nscopes = [\"a b\"]", "roles.teller.scopes"),
            ("[roles.teller]\nscops = [\"a\"]", "roles.teller.scops"),
            ("[roles]\nteller = \"a\"", "roles.teller"),
            (&long_scopes, "roles"),
            ("[[clients]]\nid = \"a\"", "clients[0]"),
            (
                "[[clients]]\nid = \"a:b\"\nsecret_file = \"x\"",
                "clients[0].id",
            ),
            (
                "[[clients]]\nid = \"latchkey\"\nsecret_file = \"x\"",
                "clients[0].id",
            ),
            (
                "[[clients]]\nid = \"a\"\nsecret_file = \"x\"\n[[clients]]\nid = \"a\"\nsecret_file = \"x\"",
                "clients[1].id",
            ),
            (
                "[[clients]]\nid = \"a\"\nsecret = \"x\"\nsecret_file = \"x\"",
                "clients[0]",
            ),
        ] {
            let error = with(Some(file), &[]).map(|_| ()).unwrap_err();
            assert!(
                error.starts_with(&format!("configuration refused: {key}")),
                "{file}: {error}"
            );
        }
    }
}
