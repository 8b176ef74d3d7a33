//! What a thief of the database, a reader of the log or a `{:?}` gets to see.
//!
//! Every test looks for the secrets of its companion when it drops it (`tests::companion`); here it shows that this finds them.

use std::fmt::Debug;
use std::fs;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use companion::config::{Smtp, SmtpTls};
use tests::authenticator;
use tests::client::Client;
use tests::companion::Companion;
use tests::postgres::Postgres;
use tests::smtp::{Security, SmtpServer};
use tests::visitor::{Tokens, Visitor, enter_code};

use crate::{companion_with_alice, refusal, stepped_up, tamper};

/// Somebody's whole story, with success, failure, theft and forgery in it. A few of its secrets.
fn story(companion: &Companion, client: &Client, name: &str) -> [(&'static str, String); 7] {
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
    let mine = visitor.login(client).unwrap();
    let mine = stepped_up(companion, client, &visitor, &mine);
    let enrolled = authenticator::enrol(client, &mine, companion.now()).unwrap();
    companion.advance_seconds(30);
    let challenge = visitor.try_login(client).unwrap().string("/challenge_id");
    let mistyped = enrolled.app.wrong_at(companion.now());
    let shown = enrolled.app.code_at(companion.now());
    let [used, ..] = enrolled.recovery_codes.as_slice() else {
        panic!("no recovery codes")
    };
    assert_eq!(
        enter_code(client, &challenge, &mistyped).unwrap().status,
        422
    );
    assert_eq!(enter_code(client, &challenge, &shown).unwrap().status, 201);
    let challenge = visitor.try_login(client).unwrap().string("/challenge_id");
    assert_eq!(enter_code(client, &challenge, used).unwrap().status, 201);

    let master = fs::read_to_string(companion.state().join("master.key")).unwrap();
    [
        ("a password", wrong.password),
        ("a mailed code", code),
        ("an app's secret", enrolled.app.secret.clone()),
        ("a recovery code", used.clone()),
        ("access_token", third.access),
        ("refresh_token", other.refresh),
        ("master.key", master.trim().to_owned()),
    ]
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    let mut windows = haystack.windows(needle.len());
    windows.any(|window| window == needle.as_bytes())
}

fn found(companion: &Companion, dump: &[u8]) -> Vec<String> {
    companion.record().with(|secrets| secrets.found_in(dump))
}

/// ST-01, RR-08, OT-09: database, WAL and the limits' file, running and stopped: no code, password, token or key in any spelling.
#[test]
fn a_copy_of_the_database_holds_no_secret() {
    let mut companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let known = story(&companion, &client, "alice");
    // The search is for all of these, and for two private keys.
    for (name, secret) in known {
        assert!(!found(&companion, secret.as_bytes()).is_empty(), "{name}");
    }
    assert_eq!(companion.record_keys().unwrap(), 2);
    let running = companion.dump().unwrap();
    companion.stop().unwrap();
    for dump in [running, companion.dump().unwrap()] {
        // What is no secret is there: this is the database.
        assert!(contains(&dump, "alice@example.com"));
        assert!(contains(&dump, "$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(found(&companion, &dump).is_empty());
    }
}

/// ST-01, AU-02: whatever is planted in the database or in the log is found, in whatever spelling: the search can fail.
#[test]
fn a_secret_that_is_planted_is_found() {
    let (mut companion, client, alice) = companion_with_alice();
    companion.taint();
    let tokens = alice.login(&client).unwrap();
    let (_, mac) = tokens.refresh.rsplit_once('.').unwrap();
    let code = companion.mailbox().code_for(&alice.email).unwrap();
    assert!(companion.leaks().unwrap().is_empty());
    let hex = |text: &str| -> String { text.bytes().map(|byte| format!("{byte:02x}")).collect() };
    let raw = URL_SAFE_NO_PAD.decode(mac).unwrap();
    for (planted, finding) in [
        (alice.password.clone(), "a password, in clear"),
        (hex(&alice.password), "a password, in hex"),
        (STANDARD.encode(&alice.password), "a password, in base64"),
        (format!("the code is {code}."), "a mailed code, in clear"),
        (mac.to_owned(), "the end of refresh_token, in clear"),
        (
            STANDARD.encode(raw),
            "the bytes of the end of refresh_token, in base64",
        ),
    ] {
        tamper(
            &companion,
            &format!("UPDATE sessions SET label = '{planted}'"),
        );
        let leaks = companion.leaks().unwrap();
        let expected = format!("{finding}, in the database");
        assert!(leaks.contains(&expected), "{planted}: {leaks:?}");
        tamper(&companion, "UPDATE sessions SET label = 'the phone'");
    }
    // A path is logged: whoever writes his token into it has it in the log.
    let path = format!("/auth/v1/{mac}");
    client.delete(&path).send().unwrap();
    let leaks = companion.leaks().unwrap();
    let expected = "the end of refresh_token, in clear, in the log".to_owned();
    assert!(leaks.contains(&expected), "{leaks:?}");
}

/// ST-01: what a thief of the server's disk has: the tables with what was deleted from them, and the write-ahead log of the whole story.
#[test]
fn the_files_of_the_database_server_hold_no_secret() {
    let companion = Companion::start().unwrap();
    let Some(database) = companion.database() else {
        // Of the embedded store the files are the dump.
        return;
    };
    let server = Postgres::shared();
    let ask = |sql: &str| {
        let rows = server.query_text(database, sql).unwrap();
        rows[0][0].clone().unwrap()
    };
    let segment = "SELECT pg_walfile_name(pg_current_wal_lsn())";
    let first = ask(segment);
    let client = companion.client().unwrap();
    story(&companion, &client, "alice");
    server.execute(database, "CHECKPOINT").unwrap();
    let last = ask(segment);
    let wal = fs::read_dir(server.data().join("pg_wal")).unwrap();
    let wal = wal.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.is_file() && (first.as_str()..=last.as_str()).contains(&name)
    });
    let tables = ask("SELECT oid FROM pg_database WHERE datname = current_database()");
    let tables = fs::read_dir(server.data().join("base").join(tables)).unwrap();
    let tables = tables.map(|entry| entry.unwrap().path());
    let mut has_address = [false; 2];
    for (number, files) in [wal.collect::<Vec<_>>(), tables.collect()]
        .iter()
        .enumerate()
    {
        for file in files {
            let content = fs::read(file).unwrap();
            has_address[number] |= contains(&content, "alice@example.com");
            assert!(found(&companion, &content).is_empty(), "{}", file.display());
        }
    }
    assert_eq!(has_address, [true, true]);
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
    story(&companion, &client, "lola");
    client
        .get("/auth/v1/%0d%0aforged%1b[31m")
        .header("user-agent", "forged\u{9b}31m")
        .send()
        .unwrap();
    let logged = companion.log();
    for event in ["session_opened", "refresh_token_reused", "login_failed"] {
        let event = format!("\"event\":\"{event}\"");
        assert!(contains(&logged, &event), "{event}");
    }
    assert!(found(&companion, &logged).is_empty());
    assert!(!contains(&logged, "lola@example.com"));
    let logged = String::from_utf8(logged).unwrap();
    let is_safe = |character: char| character == '\n' || !character.is_control();
    assert!(logged.chars().all(is_safe));
}

/// AU-02, AU-03: a mail server refuses with the address and a control character in its words; the log has the number alone.
#[test]
fn the_log_holds_no_word_of_a_mail_server() {
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
    let patience = std::time::Duration::from_secs(15);
    for tries in 1..=2 {
        tests::watch::wait_for("a refusal in the store", patience, || {
            let failed: u32 = crate::stored(&companion, "SELECT max(tries) FROM outbox");
            Ok((failed >= tries).then_some(()))
        })
        .unwrap();
        companion.advance_seconds(60);
    }
    // The line comes after the commit.
    let logged = tests::watch::wait_for("the refusal in the log", patience, || {
        let logged = companion.log();
        Ok(contains(&logged, "the server answered 550").then_some(logged))
    })
    .unwrap();
    assert!(!contains(&logged, "mallory@example.com"));
    assert!(logged.iter().all(|byte| *byte == b'\n' || *byte >= b' '));
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
        companion::vault::MasterKey,
        companion::form::Form,
        companion::oauth::Call,
        companion::oauth_client::Confidential,
        companion::key_upkeep::KeyKeeper,
        companion::password::Password,
        companion::keys::Keys,
        companion::app::App,
        companion::sign_up::SignUp,
        companion::challenges::Code,
        companion::login::Body,
        companion::credentials::Credentials,
        companion::credentials::Presented,
        companion::login::Presented,
        companion::reauthentication::Again,
        companion::enrolment::Code,
        companion::totp::Secret,
        companion::store::Factor,
        companion::store::TotpCode,
        companion::store::TotpAttempt,
        companion::sessions::Presented,
        companion::mail::Letter,
        companion::mail::Mailer,
        companion::mail::Secrets,
        companion::store::SealedKey,
        companion::store::StoredKey,
        companion::store::KeyChange,
        companion::store::Account,
        companion::store::Attempt,
        companion::store::Activation,
        companion::store::Challenge,
        companion::store::RightCode,
        companion::store::DrawnCode,
        companion::store::Recovery,
        companion::store::PasswordChange,
        companion::store::EmailChange,
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
    assert!(found(&companion, shown.as_bytes()).is_empty());
}
