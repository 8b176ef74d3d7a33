//! `latchkey doctor`, as far as it needs no running companion: whether one would start here, and what an operator should know before.
//! It makes nothing and changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::Serialize;

use crate::clock::{Clock, Millis};
use crate::config::{Read, Settings, StoreKind};
use crate::mail::Mailer;
use crate::service::{self, StartError};
use crate::vault::MasterKey;
use crate::{mail, postgres, secret, sqlite};

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works; for how long, or for whom, is another matter.
    Warn,
    /// It does not work.
    Fail,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it stands.
    pub verdict: Verdict,
    /// With what.
    pub what: &'static str,
    /// What was found.
    pub found: String,
    /// What to do.
    pub remedy: Option<&'static str>,
}

impl Finding {
    /// All is well.
    pub fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Ok,
            what,
            found: found.into(),
            remedy: None,
        }
    }

    /// It works, but.
    pub fn warn(what: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self {
            verdict: Verdict::Warn,
            remedy: Some(remedy),
            ..Self::ok(what, found)
        }
    }

    /// It does not work.
    pub fn fail(what: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self {
            verdict: Verdict::Fail,
            remedy: Some(remedy),
            ..Self::ok(what, found)
        }
    }
}

/// What a look at a store finds.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The version of its schema.
    pub schema: u32,
    /// The newest that this binary knows.
    pub known: u32,
    /// Of the versions of the master key that it knows.
    pub check_values: Vec<[u8; 32]>,
    /// Its time, where it has a clock of its own.
    pub time: Option<Millis>,
    /// Whether a companion works on it, where that can be seen.
    pub is_in_use: bool,
}

/// The newest version among these migrations.
pub fn newest(runner: &refinery::Runner) -> u32 {
    let versions = runner.get_migrations().iter();
    versions
        .map(|migration| u32::try_from(migration.version()).unwrap_or(u32::MAX))
        .max()
        .unwrap_or(0)
}

/// Everything that can be said without a running companion.
pub async fn examine(read: &Read) -> Vec<Finding> {
    let settings = &read.settings;
    let mut findings = configuration(read);
    findings.extend(state(settings));
    findings.extend(tokens(settings));
    let looked = store(settings, &mut findings).await;
    findings.extend(master_key(settings, looked.as_ref()));
    findings.push(clock(looked.as_ref()));
    findings.push(mail(settings).await);
    findings
}

fn configuration(read: &Read) -> Vec<Finding> {
    const WHAT: &str = "configuration";
    let mut findings = Vec::new();
    findings.push(match &read.file {
        Some(file) => Finding::ok(WHAT, file.display().to_string()),
        None => Finding::warn(
            WHAT,
            "no file: generated keys, for one machine only",
            "name one with --config or LATCHKEY_CONFIG",
        ),
    });
    for name in &read.unknown {
        findings.push(Finding::warn(
            WHAT,
            format!("the variable {name} means nothing"),
            "remove it, or correct its name",
        ));
    }
    let settings = &read.settings;
    let (base_url, issuer) = (&settings.base_url, settings.issuer());
    findings.push(if base_url.starts_with("https://") {
        Finding::ok("base_url", base_url.clone())
    } else {
        Finding::warn(
            "base_url",
            format!("{base_url} is plain HTTP: tokens can be read on the way"),
            "fine on this machine; elsewhere set an https URL",
        )
    });
    // Clients and resource servers look for keys and metadata below the issuer (RFC 8414 section 3).
    findings.push(if issuer == base_url {
        Finding::ok("issuer", issuer)
    } else {
        Finding::warn(
            "issuer",
            format!("{issuer} is not base_url"),
            "see that /.well-known/ of the issuer leads to this companion",
        )
    });
    findings
}

fn mode(path: &Path) -> Option<u32> {
    let metadata = fs::metadata(path).ok()?;
    Some(metadata.permissions().mode() & 0o777)
}

/// Neither group nor others have anything.
const fn is_private(mode: u32) -> bool {
    mode.trailing_zeros() >= 6
}

fn state(settings: &Settings) -> Vec<Finding> {
    const WHAT: &str = "state directory";
    let folder = &settings.state;
    let shown = folder.display();
    let Some(of_folder) = mode(folder) else {
        return vec![Finding::warn(
            WHAT,
            format!("{shown} does not exist"),
            "the first start makes it; is it the right one?",
        )];
    };
    let mut findings = vec![if is_private(of_folder) {
        Finding::ok(WHAT, shown.to_string())
    } else {
        Finding::warn(
            WHAT,
            format!("{shown} can be entered by others (mode {of_folder:o})"),
            "chmod 0700",
        )
    }];
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
    {
        if let Some(mode) = mode(&path).filter(|mode| !is_private(*mode)) {
            findings.push(Finding::fail(
                WHAT,
                format!("{} can be read by others (mode {mode:o})", path.display()),
                "chmod 0600, and ask who has read it: docs/OPERATIONS.md, When something has leaked",
            ));
        }
    }
    findings
}

/// What gateways and operators present. None is shown.
fn tokens(settings: &Settings) -> Vec<Finding> {
    let named = |what, files: Vec<&Path>, made: &str| {
        let made = settings.state.join(made);
        if files.is_empty() && !made.exists() {
            let found = format!("{} does not exist", made.display());
            return vec![Finding::warn(what, found, "the first start makes it")];
        }
        let files = if files.is_empty() {
            vec![made.as_path()]
        } else {
            files
        };
        let look = |file: &&Path| match secret::read(file) {
            Err(error) => Finding::fail(
                what,
                error.to_string(),
                "write 32 random characters or more into it, mode 0600",
            ),
            Ok(token) if token.trim().len() < 32 => Finding::fail(
                what,
                format!("{} is too short", file.display()),
                "write 32 random characters or more into it",
            ),
            Ok(_) => Finding::ok(what, file.display().to_string()),
        };
        files.iter().map(look).collect()
    };
    let gateway = settings.gateway_token_files.iter().map(AsRef::as_ref);
    let admin = settings.admin_tokens.iter();
    let admin = admin.map(|token| token.token_file.as_path());
    let mut findings = named("gateway token", gateway.collect(), "gateway.token");
    findings.extend(named("admin token", admin.collect(), "admin.token"));
    if settings.store.kind == StoreKind::Postgres && settings.gateway_token_files.is_empty() {
        findings.push(Finding::warn(
            "gateway token",
            "each replica has its own",
            "name one file in gateway_token_files of all replicas",
        ));
    }
    findings
}

async fn store(settings: &Settings, findings: &mut Vec<Finding>) -> Option<Looked> {
    const WHAT: &str = "store";
    let looked = match settings.store.kind {
        StoreKind::Sqlite => sqlite::look(&settings.state).map_err(|error| error.to_string()),
        StoreKind::Postgres => look_at_database(settings).await,
    };
    let looked = match looked {
        Ok(Some(looked)) => looked,
        Ok(None) => {
            let found = "no companion has made one yet";
            findings.push(Finding::warn(
                WHAT,
                found,
                "the first start makes it; is it the right place?",
            ));
            return None;
        }
        Err(error) => {
            findings.push(Finding::fail(
                WHAT,
                error,
                "the companion answers 503, or does not start, until the store answers",
            ));
            return None;
        }
    };
    let Looked { schema, known, .. } = looked;
    findings.push(match schema.cmp(&known) {
        std::cmp::Ordering::Equal => Finding::ok(WHAT, format!("schema {schema}")),
        std::cmp::Ordering::Less => Finding::warn(
            WHAT,
            format!("schema {schema}; the next start brings it to {known}"),
            "take a backup first: an older binary does not open it afterwards",
        ),
        std::cmp::Ordering::Greater => Finding::fail(
            WHAT,
            format!("schema {schema} is newer than this binary, which knows {known}"),
            "run the binary that made it, or a newer one",
        ),
    });
    Some(looked)
}

async fn look_at_database(settings: &Settings) -> Result<Option<Looked>, String> {
    let options =
        service::database(&settings.store).map_err(|error: StartError| error.to_string())?;
    postgres::look(&options)
        .await
        .map_err(|error| error.to_string())
}

fn master_key(settings: &Settings, looked: Option<&Looked>) -> Vec<Finding> {
    const WHAT: &str = "master key";
    const OTHER: &str =
        "put the key there that the store was made under; without it nobody opens the store";
    let made = settings.state.join("master.key");
    let newest = settings.master_key_file.as_ref().unwrap_or(&made);
    let known = looked.map_or(&[][..], |looked| &looked.check_values);
    if !newest.exists() && settings.master_key_file.is_none() && known.is_empty() {
        let found = format!("{} does not exist", newest.display());
        let remedy = "the first start makes it; keep a copy of it elsewhere";
        return vec![Finding::warn(WHAT, found, remedy)];
    }
    let (mut findings, mut keys) = (Vec::new(), Vec::new());
    for file in [newest].into_iter().chain(&settings.old_master_key_files) {
        let key = match secret::read(file) {
            Ok(text) => MasterKey::of_text(&text),
            Err(error) => {
                findings.push(Finding::fail(WHAT, error.to_string(), OTHER));
                continue;
            }
        };
        let shown = file.display().to_string();
        let Ok(key) = key else {
            let found = format!("{shown} holds no master key");
            findings.push(Finding::fail(WHAT, found, "32 random bytes as base64url"));
            continue;
        };
        keys.push(key.check_value());
        findings.push(Finding::ok(WHAT, shown));
    }
    if !keys.is_empty() && !known.is_empty() && !keys.iter().any(|key| known.contains(key)) {
        let found = "the store was made under another one";
        findings.push(Finding::fail(WHAT, found, OTHER));
    }
    findings
}

async fn mail(settings: &Settings) -> Finding {
    const WHAT: &str = "mail";
    const REMEDY: &str = "see [smtp], [webhook] and [mail] in docs/OPERATIONS.md; until then no code reaches anybody";
    let way = match (&settings.smtp.host, &settings.webhook.url) {
        (Some(host), _) => format!("over {host}"),
        (None, Some(_)) => "to a webhook, which was not called".to_owned(),
        (None, None) => {
            // Opening would make the folder.
            return match mail::templates(settings) {
                Ok(_) => Finding::warn(WHAT, "into files of the state directory", REMEDY),
                Err(error) => Finding::fail(WHAT, error.to_string(), REMEDY),
            };
        }
    };
    let mailer = match Mailer::open(settings) {
        Ok(mailer) => mailer,
        Err(error) => return Finding::fail(WHAT, error.to_string(), REMEDY),
    };
    match mailer.greet().await {
        Ok(()) => Finding::ok(WHAT, way),
        Err(failure) => Finding::fail(WHAT, format!("{way}: {}", failure.why), REMEDY),
    }
}

/// 2026-01-01: no machine that runs this can be before it.
const EARLIEST: Millis = Millis(1_767_225_600_000);
/// What the filter allows by default is half a minute; warned is long before.
const MOST_APART: u64 = 5_000;

fn clock(looked: Option<&Looked>) -> Finding {
    const WHAT: &str = "clock";
    let now = Clock::system().now();
    if now < EARLIEST {
        return Finding::fail(
            WHAT,
            "this machine lives in the past",
            "set its clock by NTP",
        );
    }
    let Some(time) = looked.and_then(|looked| looked.time) else {
        return Finding::ok(WHAT, crate::tokens::rfc3339(now));
    };
    let apart = now.0.abs_diff(time.0);
    if apart > MOST_APART {
        let found = format!("{} s from the database's, whose time counts", apart / 1_000);
        return Finding::warn(
            WHAT,
            found,
            "set both clocks by NTP: gateways refuse pages beyond clock_skew",
        );
    }
    Finding::ok(WHAT, format!("{apart} ms from the database's"))
}
