//! What a thief of the database, a reader of the log or a `{:?}` gets to see.

use std::fmt::Debug;
use std::fs;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use companion::config::{Smtp, SmtpTls};
use tests::client::Client;
use tests::companion::Companion;
use tests::log;
use tests::postgres::Postgres;
use tests::smtp::{Security, SmtpServer};
use tests::visitor::{Tokens, Visitor, enter_code};

use crate::{companion_with_alice, refusal, tamper};

/// Somebody's whole story, and every secret in it.
fn story(companion: &Companion, client: &Client, name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let visitor = Visitor::named(name);
    let sign_up = visitor.sign_up(client).unwrap();
    let code = companion.mailbox().code_for(&visitor.email).unwrap();
    assert!(!sign_up.text().contains(&code));
    let challenge = sign_up.string("/challenge_id");
    assert_eq!(enter_code(client, &challenge, "wrong").unwrap().status, 422);
    assert_eq!(enter_code(client, &challenge, &code).unwrap().status, 200);
    let wrong = Visitor {
        password: format!("{} typo", visitor.password),
        ..visitor.clone()
    };
    assert_eq!(wrong.try_login(client).unwrap().status, 401);
    let first = visitor.login(client).unwrap();
    let second = first.refresh(client).unwrap();
    let third = second.refresh(client).unwrap();
    assert_eq!(first.try_refresh(client).unwrap().status, 401);
    let other = visitor.login(client).unwrap();
    let forged = Tokens {
        refresh: format!("{}x", other.refresh),
        ..other.clone()
    };
    assert_eq!(forged.try_refresh(client).unwrap().status, 401);
    let fourth = visitor.login(client).unwrap();
    assert_eq!(fourth.log_out(client).unwrap().status, 200);

    let mut secrets = vec![
        ("the password", visitor.password.into_bytes()),
        ("a mistyped password", wrong.password.into_bytes()),
    ];
    for tokens in [first, second, third, other, fourth] {
        let (_, signature) = tokens.access.rsplit_once('.').unwrap();
        secrets.push(("a signature", signature.as_bytes().to_vec()));
        secrets.push((
            "a signature's bytes",
            URL_SAFE_NO_PAD.decode(signature).unwrap(),
        ));
        let (_, mac) = tokens.refresh.rsplit_once('.').unwrap();
        secrets.push(("a refresh MAC", mac.as_bytes().to_vec()));
        secrets.push((
            "a refresh MAC's bytes",
            URL_SAFE_NO_PAD.decode(mac).unwrap(),
        ));
    }
    secrets.push(("a code", code.into_bytes()));
    for file in ["master.key", "gateway.token"] {
        let text = fs::read_to_string(companion.state().join(file)).unwrap();
        secrets.push((file, URL_SAFE_NO_PAD.decode(text.trim()).unwrap()));
        secrets.push((file, text.trim().as_bytes().to_vec()));
    }
    if let Some(file) = &companion.settings().store.url_file {
        let url = fs::read_to_string(file).unwrap();
        let (_, password) = url.split_once('@').unwrap().0.rsplit_once(':').unwrap();
        secrets.push(("the database's password", password.as_bytes().to_vec()));
    }
    secrets
}

/// What a thief of the database has: its files, or every value of every table.
fn dump(companion: &Companion) -> Vec<u8> {
    let Some(database) = companion.database() else {
        let names = [
            "latchkey.db",
            "latchkey.db-wal",
            "latchkey.db-shm",
            "throttle.db",
            "throttle.db-wal",
            "throttle.db-shm",
        ];
        let read = |name: &&str| fs::read(companion.state().join(name)).ok();
        return names.iter().filter_map(read).flatten().collect();
    };
    let rows = |sql: &str| Postgres::shared().query_text(database, sql).unwrap();
    let tables = rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    let tables = tables.into_iter().flatten().flatten();
    let values = tables.flat_map(|table| rows(&format!("SELECT * FROM {table}")));
    let values: Vec<_> = values.flatten().flatten().map(bytes_of).collect();
    values.join(&b'\n')
}

/// PostgreSQL writes bytes in hex.
fn bytes_of(value: String) -> Vec<u8> {
    let Some(hex) = value.strip_prefix("\\x") else {
        return value.into_bytes();
    };
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// A run of exactly these digits; in a dump six digits may stand in a longer number by chance.
fn contains_code(haystack: &[u8], code: &[u8]) -> bool {
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| haystack.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let mut windows = haystack.windows(code.len()).enumerate();
    windows.any(|(at, window)| {
        window == code && !is_digit(at.checked_sub(1)) && !is_digit(Some(at + code.len()))
    })
}

/// ST-01, RR-08, OT-09: database, WAL and the limits' file, running and stopped: no code, password, token or key in any form.
#[test]
fn a_copy_of_the_database_holds_no_secret() {
    let mut companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let secrets = story(&companion, &client, "alice");
    let running = dump(&companion);
    companion.stop().unwrap();
    for dump in [running, dump(&companion)] {
        // What is no secret is found: the search works.
        assert!(contains(&dump, b"alice@example.com"));
        assert!(contains(&dump, b"$argon2id$v=19$m=19456,t=2,p=1$"));
        for (what, secret) in &secrets {
            let is_there = if *what == "a code" {
                contains_code(&dump, secret)
            } else {
                contains(&dump, secret)
            };
            assert!(!is_there, "{what}");
        }
    }
}

/// RR-08: who copies the database, and not the master key, has a companion that does not start.
#[test]
fn a_copy_of_the_database_without_the_master_key_is_of_no_use() {
    let (mut companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    companion.stop().unwrap();
    let copy = companion.back_up().unwrap();
    companion.resume().unwrap();
    let client = companion.client().unwrap();
    let mut thief = Companion::stopped().unwrap();
    fs::create_dir_all(thief.state()).unwrap();
    thief.put_back(&copy, &["latchkey.db"]).unwrap();
    assert!(
        thief
            .resume()
            .unwrap_err()
            .to_string()
            .contains("master.key")
    );
    // Told to take the thief's key, it has signing keys that do not open.
    tamper(&thief, "DELETE FROM meta WHERE name = 'master_key'");
    assert!(
        thief
            .resume()
            .unwrap_err()
            .to_string()
            .contains("signing key")
    );
    // With signing keys of its own, its tokens are worth nothing here.
    tamper(&thief, "DELETE FROM meta; DELETE FROM signing_keys");
    thief.resume().unwrap();
    let thiefs = thief.client().unwrap();
    assert_eq!(refusal(&tokens.try_refresh(&thiefs).unwrap()).0, 401);
    let forged = alice.login(&thiefs).unwrap();
    assert!(!crate::is_alive(&client, &forged));
    assert_eq!(forged.try_refresh(&client).unwrap().status, 401);
    assert_eq!(forged.log_out(&client).unwrap().status, 401);
    assert!(crate::is_alive(&client, &tokens));
}

/// PW-06: a salt for each account, also where the passwords are the same.
#[test]
fn equal_passwords_have_different_hashes() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    for name in ["alice", "bob", "carol"] {
        let visitor = Visitor {
            password: "tangled-orbit84 and more".to_owned(),
            ..Visitor::named(name)
        };
        visitor.register(&client, &companion.mailbox()).unwrap();
    }
    let hashes: u32 = crate::stored(
        &companion,
        "SELECT COUNT(DISTINCT password_hash) FROM accounts",
    );
    let salts: u32 = crate::stored(
        &companion,
        "SELECT COUNT(DISTINCT substr(password_hash, 31, 22)) FROM accounts",
    );
    assert_eq!((hashes, salts), (3, 3));
}

/// AU-02, AU-03, ST-03: at the most talkative level, with success, failure, theft and forgery in the story.
#[test]
fn the_log_holds_no_secret() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let secrets = story(&companion, &client, "lola");
    client
        .get("/auth/v1/%0d%0aforged%1b[31m")
        .header("user-agent", "forged\u{9b}31m")
        .send()
        .unwrap();
    refused_by_a_mail_server();
    let logged = log::bytes();
    for event in ["session_opened", "refresh_token_reused", "login_failed"] {
        let event = format!("\"event\":\"{event}\"");
        assert!(contains(&logged, event.as_bytes()), "{event}");
    }
    // Of what the mail server says, only the code: it repeats the address, and writes colours.
    assert!(contains(&logged, b"the server answered 550"));
    assert!(!contains(&logged, b"mallory@example.com"));
    for (what, secret) in &secrets {
        let is_there = if *what == "a code" {
            contains_code(&logged, secret)
        } else {
            contains(&logged, secret)
        };
        assert!(!is_there, "{what}");
    }
    assert!(!contains(&logged, b"lola@example.com"));
    let logged = String::from_utf8(logged).unwrap();
    let is_safe = |character: char| character == '\n' || !character.is_control();
    assert!(logged.chars().all(is_safe));
}

/// A mail that a server refuses with the address and a control character in its words, and later for a while.
fn refused_by_a_mail_server() {
    let server = SmtpServer::start(Security::default()).unwrap();
    server
        .answer("mallory@example.com", "rcpt:450 rcpt:550")
        .unwrap();
    let companion = Companion::with(|settings| {
        settings.smtp = Smtp {
            host: Some("127.0.0.1".to_owned()),
            port: server.port(),
            tls: SmtpTls::None,
            from: Some("a@example.com".to_owned()),
            ..Smtp::default()
        };
    })
    .unwrap();
    let client = companion.client().unwrap();
    Visitor::named("mallory").sign_up(&client).unwrap();
    for tries in 1..=2 {
        let patience = std::time::Duration::from_secs(15);
        tests::watch::wait_for("a refusal in the store", patience, || {
            let failed: u32 = crate::stored(&companion, "SELECT max(tries) FROM outbox");
            Ok((failed >= tries).then_some(()))
        })
        .unwrap();
        companion.advance_seconds(60);
    }
}

/// Whether a type has `Debug`: the inherent constant is there only then, and comes first.
struct Probe<T>(PhantomData<T>);

trait Opaque {
    const HAS_DEBUG: bool = false;
}

impl<T> Opaque for Probe<T> {}

impl<T: Debug> Probe<T> {
    const HAS_DEBUG: bool = true;
}

/// ST-03: what holds a secret cannot be printed by mistake.
#[test]
fn what_holds_a_secret_has_no_debug() {
    macro_rules! has_debug {
        ($($type:ty),* $(,)?) => { [$((stringify!($type), Probe::<$type>::HAS_DEBUG)),*] };
    }
    for (name, has_debug) in has_debug![
        companion::vault::Vault,
        companion::password::Password,
        companion::keys::Keys,
        companion::app::App,
        companion::sign_up::SignUp,
        companion::challenges::Code,
        companion::login::Credentials,
        companion::login::Presented,
        companion::sessions::Presented,
        companion::mail::Letter,
        companion::mail::Mailer,
        companion::mail::Secrets,
        companion::store::SealedKey,
        companion::store::Account,
        companion::store::Attempt,
        companion::store::Activation,
        companion::store::Challenge,
        companion::store::RightCode,
        companion::store::DrawnCode,
        companion::store::Recovery,
        companion::store::PasswordChange,
        companion::store::EmailChange,
        companion::mail::Secrets,
        companion::store::CodeRequest,
        companion::store::Wish,
        companion::postgres::Options,
        token::MacKey,
        token::SigningKey,
    ] {
        assert!(!has_debug, "{name}");
    }
    // The probe tells them apart, and what may be shown holds none.
    const { assert!(Probe::<companion::config::Settings>::HAS_DEBUG) };
    let companion = Companion::start().unwrap();
    let shown = format!("{:?}", companion.settings());
    for file in ["master.key", "gateway.token"] {
        let secret = fs::read_to_string(companion.state().join(file)).unwrap();
        assert!(!shown.contains(secret.trim()), "{file}");
    }
}
