//! Settings: one TOML file, overridden by `LATCHKEY_…` variables; with neither, one machine's companion on loopback.

mod admin;
pub mod authority;
mod clients;
mod cookies;
mod filter;
mod hashing;
mod keys;
mod limits;
mod listeners;
mod mail;
mod read;
mod roles;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::span::Span;
use crate::{master_key, password};

pub use admin::AdminToken;
pub use clients::OauthClient;
pub use cookies::Cookies;
pub use filter::Filter;
pub use hashing::Hashing;
pub use keys::Keys;
pub use limits::Limits;
pub use listeners::InternalTls;
pub use mail::{Mail, Smtp, SmtpTls, Webhook};
pub use read::{ConfigError, Read, read};
pub use roles::Role;

/// All settings, checked. Holds no secret: those lie in files that it names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The state directory.
    pub state: PathBuf,
    /// The public listener.
    pub listen: SocketAddr,
    /// The internal listener: gateways, health; never routed from outside.
    pub internal_listen: SocketAddr,
    /// The certificate chain of the internal listener, as PEM; with `tls_key` it serves TLS.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, as PEM, in a file that nobody else can read.
    pub tls_key: Option<PathBuf>,
    /// The authorities of client certificates, as PEM: whoever has none of theirs is refused.
    pub tls_client_ca: Option<PathBuf>,
    /// Who protects the internal listener, where the companion does not.
    pub internal_tls: Option<InternalTls>,
    /// Where browsers and apps reach the companion: scheme, host and port.
    pub base_url: String,
    /// `iss`; `base_url` when it is not given.
    pub issuer: Option<String>,
    /// `aud`; the issuer alone when none is given.
    pub audiences: Vec<String>,
    /// `client_id` of first-party tokens.
    pub client_id: String,
    /// Peers whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Which value of it, from the right, is the client's.
    pub trusted_hops: usize,
    /// The file with the master key; `master.key` in the state directory, made at the first start, when it is not given.
    pub master_key_file: Option<PathBuf>,
    /// Files with other versions of the master key, two at most: what they have made still holds.
    pub old_master_key_files: Vec<PathBuf>,
    /// Files with the gateway tokens that are taken, two at most; `gateway.token` in the state directory when none is given.
    pub gateway_token_files: Vec<PathBuf>,
    /// Who may call the admin API; the token in `admin.token` of the state directory when none is given.
    pub admin_tokens: Vec<AdminToken>,
    /// For so long after SIGTERM it works on, and says that it is not ready.
    pub drain_delay: Span,
    /// Where everything is kept.
    pub store: Store,
    /// Access tokens.
    pub tokens: Tokens,
    /// Signing keys.
    pub keys: Keys,
    /// What the roles of accounts stand for; an account may also have others.
    pub roles: BTreeMap<String, Role>,
    /// Who may call the OAuth endpoints with a secret.
    pub clients: Vec<OauthClient>,
    /// Sessions.
    pub sessions: Sessions,
    /// Passwords.
    pub passwords: Passwords,
    /// What hashing them costs.
    pub hashing: Hashing,
    /// Mail, however it leaves.
    pub mail: Mail,
    /// Mail over SMTP.
    pub smtp: Smtp,
    /// Mail to a webhook.
    pub webhook: Webhook,
    /// Browsers.
    pub cookies: Cookies,
    /// What `latchkey filter-config` prints.
    pub filter: Filter,
    /// Limits, each `burst+refill/period`.
    pub limits: Limits,
}

/// `[store]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Which one.
    pub kind: StoreKind,
    /// PostgreSQL: the file with its URL, which holds a password.
    pub url_file: Option<PathBuf>,
    /// PostgreSQL: the environment variable with its URL, in place of the file.
    pub url_env: Option<String>,
    /// PostgreSQL: the authorities that may have signed the server's certificate, as PEM; needed off this machine.
    pub ca_file: Option<PathBuf>,
    /// PostgreSQL: the most connections of this companion, beside the one that listens and three of the feed.
    pub connections: usize,
}

/// The stores that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// In the state directory, for one companion.
    Sqlite,
    /// In a database, for several.
    Postgres,
}

/// `[tokens]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// How long an access token lives; up to 5 % less, so that those of one moment do not expire in one moment.
    pub access_lifetime: Span,
    /// What signs them; a change is one of the next key.
    pub algorithm: Algorithm,
    /// Whether they carry the account's address.
    pub email: bool,
}

/// The names of the standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RFC 7518 section 3.4.
    #[serde(rename = "ES256")]
    Es256,
    /// RFC 8037.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl From<Algorithm> for token::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => Self::Es256,
            Algorithm::EdDsa => Self::EdDsa,
        }
    }
}

/// `[sessions]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// For how long a refresh token that was just used gets the same successor again.
    pub refresh_grace: Span,
    /// A session without a refresh for so long has expired.
    pub idle_lifetime: Span,
    /// No refresh extends a session beyond this.
    pub absolute_lifetime: Span,
    /// The most sessions of an account; beyond them the one unused for longest ends.
    pub most_per_account: u32,
}

/// `[passwords]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Passwords {
    /// The fewest characters of a new password.
    pub least_characters: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            state: PathBuf::from("latchkey-state"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            internal_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            internal_tls: None,
            base_url: "http://localhost:8000".to_owned(),
            issuer: None,
            audiences: Vec::new(),
            client_id: "latchkey".to_owned(),
            trusted_proxies: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            trusted_hops: 1,
            master_key_file: None,
            old_master_key_files: Vec::new(),
            gateway_token_files: Vec::new(),
            admin_tokens: Vec::new(),
            drain_delay: Span::seconds(0),
            store: Store::default(),
            tokens: Tokens::default(),
            keys: Keys::default(),
            roles: BTreeMap::new(),
            clients: Vec::new(),
            sessions: Sessions::default(),
            passwords: Passwords::default(),
            hashing: Hashing::default(),
            mail: Mail::default(),
            smtp: Smtp::default(),
            webhook: Webhook::default(),
            cookies: Cookies::default(),
            filter: Filter::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            kind: StoreKind::Sqlite,
            url_file: None,
            url_env: None,
            ca_file: None,
            connections: 16,
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            access_lifetime: Span::seconds(300),
            algorithm: Algorithm::Es256,
            email: false,
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            refresh_grace: Span::seconds(10),
            idle_lifetime: Span::seconds(14 * 86_400),
            absolute_lifetime: Span::seconds(30 * 86_400),
            most_per_account: 50,
        }
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            least_characters: 15,
        }
    }
}

impl Settings {
    /// `iss`.
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or(&self.base_url)
    }

    /// `aud`.
    pub fn audiences(&self) -> Vec<String> {
        if self.audiences.is_empty() {
            vec![self.issuer().to_owned()]
        } else {
            self.audiences.clone()
        }
    }

    /// Refuses what cannot be meant (CF-02).
    ///
    /// # Errors
    /// Names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let is_name = |text: &str| {
            !text.is_empty()
                && !text.contains('*')
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        authority::origin(&self.base_url).map_err(|what| ConfigError::at("base_url", what))?;
        demand(
            self.issuer.as_deref().is_none_or(is_name),
            "issuer",
            "must not be empty or a wildcard",
        )?;
        demand(
            self.audiences.iter().all(|text| is_name(text)),
            "audiences",
            "must not hold an empty name or a wildcard",
        )?;
        demand(is_name(&self.client_id), "client_id", "must not be empty")?;
        listeners::check(self)?;
        demand(
            within(self.limits.mail_cooldown, 1, 600),
            "limits.mail_cooldown",
            "must lie between 1s and 10m",
        )?;
        self.mail.check()?;
        self.smtp.check()?;
        self.webhook.check()?;
        demand(
            self.smtp.host.is_none() || self.webhook.url.is_none(),
            "webhook.url",
            "is given beside smtp.host: mail leaves one way",
        )?;
        demand(self.trusted_hops > 0, "trusted_hops", "must be at least 1")?;
        demand(
            self.gateway_token_files.len() <= 2,
            "gateway_token_files",
            "must be two at most",
        )?;
        admin::check(&self.admin_tokens)?;
        self.filter.check()?;
        demand(
            master_key::may_be(&self.old_master_key_files),
            "old_master_key_files",
            "must be two at most",
        )?;
        demand(
            within(self.drain_delay, 0, 300),
            "drain_delay",
            "must lie between 0s and 5m",
        )?;
        self.store.check()?;
        self.hashing.check()?;
        self.cookies.check()?;
        self.limits.check()?;
        self.keys.check()?;
        roles::check(self)?;
        clients::check(self)?;
        self.check_lifetimes()?;
        let least = self.passwords.least_characters;
        demand(
            (password::LEAST_CHARACTERS..=128).contains(&least),
            "passwords.least_characters",
            "must lie between 8 and 128",
        )
    }

    fn check_lifetimes(&self) -> Result<(), ConfigError> {
        let (tokens, sessions) = (&self.tokens, &self.sessions);
        demand(
            within(tokens.access_lifetime, 30, 900),
            "tokens.access_lifetime",
            "must lie between 30s and 15m",
        )?;
        demand(
            within(sessions.refresh_grace, 0, 60),
            "sessions.refresh_grace",
            "must lie between 0s and 60s",
        )?;
        // A grace answer carries a token of the rotation before: it must still be good.
        demand(
            sessions.refresh_grace.get() * 2 <= tokens.access_lifetime.get(),
            "sessions.refresh_grace",
            "must be at most half of tokens.access_lifetime",
        )?;
        demand(
            within(sessions.idle_lifetime, 60, 366 * 86_400),
            "sessions.idle_lifetime",
            "must lie between 1m and 366d",
        )?;
        demand(
            within(sessions.absolute_lifetime, 60, 366 * 86_400),
            "sessions.absolute_lifetime",
            "must lie between 1m and 366d",
        )?;
        demand(
            sessions.idle_lifetime <= sessions.absolute_lifetime,
            "sessions.idle_lifetime",
            "must not exceed sessions.absolute_lifetime",
        )?;
        // Else a token could outlive its session.
        demand(
            sessions.idle_lifetime >= tokens.access_lifetime,
            "sessions.idle_lifetime",
            "must not be less than tokens.access_lifetime",
        )?;
        demand(
            (1..=10_000).contains(&sessions.most_per_account),
            "sessions.most_per_account",
            "must lie between 1 and 10000",
        )
    }
}

impl Store {
    fn check(&self) -> Result<(), ConfigError> {
        match self.kind {
            StoreKind::Postgres => demand(
                self.url_file.is_some() != self.url_env.is_some(),
                "store.url_file",
                "must name the file with the URL of the database, or store.url_env the variable with it",
            )?,
            StoreKind::Sqlite => demand(
                self.url_file.is_none() && self.url_env.is_none() && self.ca_file.is_none(),
                "store.kind",
                "must be \"postgres\" where a database is named",
            )?,
        }
        demand(
            (2..=200).contains(&self.connections),
            "store.connections",
            "must lie between 2 and 200",
        )
    }
}

fn within(span: Span, least: u64, most: u64) -> bool {
    (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&span.get())
}

fn demand(holds: bool, key: &str, what: &str) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError::at(key, what))
    }
}
