//! The operator's commands, as he types them, against a companion that runs and against none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use tests::command::{Printed, latchkey};
use tests::companion::{Companion, Gateway};
use tests::smtp::{Security, SmtpServer};

use crate::{HOUR, companion_with_alice, is_alive, stored};

/// `latchkey` with a companion's configuration.
fn run(companion: &Companion, arguments: &[&str]) -> Printed {
    let [public, internal] = companion.addresses();
    let mut variables = vec![
        ("LATCHKEY_LISTEN", public.as_str()),
        ("LATCHKEY_INTERNAL_LISTEN", internal.as_str()),
    ];
    let store = &companion.settings().store;
    let file = store
        .url_file
        .as_ref()
        .map(|file| file.display().to_string());
    if let Some(file) = &file {
        variables.push(("LATCHKEY_STORE__KIND", "postgres"));
        variables.push(("LATCHKEY_STORE__URL_FILE", file));
    }
    latchkey(companion.state(), arguments, &variables).unwrap()
}

fn json(companion: &Companion, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let text = run(companion, &arguments).expect().unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// SE-07: found by address, seen, and ended, one and all.
#[test]
fn an_operator_finds_an_account_and_ends_its_sessions() {
    let (companion, client, alice) = companion_with_alice();
    let [one, two] = [(); 2].map(|()| alice.login(&client).unwrap());
    let found = json(&companion, &["accounts", "find", &alice.email]);
    let id = found["id"].as_str().unwrap();
    let text = run(&companion, &["accounts", "find", id]).expect().unwrap();
    assert!(
        text.contains(id) && text.contains(&alice.email) && text.contains("ACTIVE"),
        "{text}"
    );
    let list = run(&companion, &["sessions", "list", &alice.email])
        .expect()
        .unwrap();
    assert!(
        list.contains(&one.session) && list.contains(&two.session),
        "{list}"
    );
    let text = run(&companion, &["sessions", "end", &one.session])
        .expect()
        .unwrap();
    assert!(
        text.contains("1 session ended, in force at every gateway"),
        "{text}"
    );
    assert!(!is_alive(&client, &one) && is_alive(&client, &two));
    let receipt = json(&companion, &["accounts", "end-sessions", &alice.email]);
    assert_eq!(receipt["revocation"]["sessions"], 1);
    assert!(!is_alive(&client, &two));
    let three = alice.login(&client).unwrap();
    let text = run(&companion, &["sessions", "end", "--all"])
        .expect()
        .unwrap();
    assert!(text.contains("1 session ended"), "{text}");
    assert!(!is_alive(&client, &three));
    let audit = run(&companion, &["audit", "--account", &alice.email])
        .expect()
        .unwrap();
    assert!(
        audit.contains("session_ended") && audit.contains("ended_by_operator"),
        "{audit}"
    );
    for secret in [&one.access, &one.refresh, &three.access] {
        assert!(!audit.contains(secret) && !list.contains(secret));
    }
}

/// Gateways are seen with what they lack; one that is gone is forgotten; a feed is reset.
#[test]
fn an_operator_sees_gateways_and_resets_the_feed() {
    let companion = Companion::start().unwrap();
    let gone = Gateway::synced(&companion, 7, "none").unwrap();
    let list = run(&companion, &["gateways", "list"]).expect().unwrap();
    assert!(
        list.contains(gone.id()) && list.contains("BEHIND"),
        "{list}"
    );
    let refused = run(&companion, &["gateways", "forget", gone.id()]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.text.contains("two minutes"), "{}", refused.text);
    companion.advance_seconds(HOUR);
    run(&companion, &["gateways", "forget", gone.id()])
        .expect()
        .unwrap();
    assert_eq!(
        json(&companion, &["gateways", "list"])["gateways"],
        serde_json::json!([])
    );
    let text = run(&companion, &["feed", "reset"]).expect().unwrap();
    assert!(text.contains("from the beginning"), "{text}");
}

/// Exit codes: 1 refused, 2 wrong arguments, 3 nobody there; and no token in what is printed.
#[test]
fn a_command_says_by_its_code_how_it_went() {
    let (mut companion, _, alice) = companion_with_alice();
    let token = fs::read_to_string(companion.state().join("admin.token")).unwrap();
    for (arguments, code) in [
        (vec!["accounts", "find", "nobody@example.com"], 1),
        (
            vec!["accounts", "find", "00112233445566778899aabbccddeeff"],
            1,
        ),
        (vec!["accounts", "find", "../sessions?scope=all"], 1),
        (vec!["sessions", "end"], 2),
        (vec!["sessions", "end", "x", "--all"], 2),
        (vec!["sessions", "end", "x", "--direct"], 2),
        (vec!["accounts"], 2),
    ] {
        let printed = run(&companion, &arguments);
        assert_eq!(printed.code, Some(code), "{arguments:?}: {}", printed.text);
        assert!(!printed.text.contains(&token));
    }
    let other = companion.state().join("other.token");
    fs::write(&other, "x".repeat(43)).unwrap();
    fs::set_permissions(&other, Permissions::from_mode(0o600)).unwrap();
    let other = other.display().to_string();
    let refused = run(
        &companion,
        &[
            "--admin-token-file",
            &other,
            "accounts",
            "find",
            &alice.email,
        ],
    );
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.text.contains("does not take this admin token"),
        "{}",
        refused.text
    );
    let [_, address] = companion.addresses();
    companion.stop().unwrap();
    let printed = run(
        &companion,
        &["--admin-address", &address, "gateways", "list"],
    );
    assert_eq!(printed.code, Some(3), "{}", printed.text);
    assert!(printed.text.contains(&address), "{}", printed.text);
}

/// The restore procedure: two commands work on the store itself, and say so in the audit log.
#[test]
fn while_no_companion_runs_the_store_is_worked_on_directly() {
    let (mut companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    if companion.database().is_none() {
        let refused = run(&companion, &["sessions", "end", "--all", "--direct"]);
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.text.contains("another companion"),
            "{}",
            refused.text
        );
        assert!(is_alive(&client, &tokens));
    }
    companion.stop().unwrap();
    let text = run(&companion, &["sessions", "end", "--all", "--direct"])
        .expect()
        .unwrap();
    assert!(text.contains("1 sessions ended"), "{text}");
    run(&companion, &["keys", "replace", "--direct"])
        .expect()
        .unwrap();
    companion.resume().unwrap();
    assert!(!is_alive(&companion.client().unwrap(), &tokens));
    let by = "SELECT COUNT(*) FROM audit WHERE actor = 'command line' AND event = 'session_ended'";
    assert_eq!(stored::<u32>(&companion, by), 1);
}

/// Every line says how it stands, and a failure fails; nothing is made or changed, and no secret is shown.
#[test]
fn the_doctor_finds_what_is_wrong() {
    let (mut companion, _, _) = companion_with_alice();
    let secrets = ["master.key", "gateway.token", "admin.token"]
        .map(|name| fs::read_to_string(companion.state().join(name)).unwrap());
    let verdict = |findings: &Value, what: &str| {
        let all = findings.as_array().unwrap();
        let of = |finding: &&Value| finding["what"] == what;
        all.iter()
            .filter(of)
            .map(|finding| finding["verdict"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let well = run(&companion, &["doctor"]);
    assert_eq!(well.code, Some(0), "{}", well.text);
    let findings = diagnosed(&companion);
    for what in [
        "state directory",
        "store",
        "master key",
        "clock",
        "internal listener",
        "public listener",
        "outbox",
    ] {
        assert_eq!(verdict(&findings, what), ["ok"], "{what}: {findings:#}");
    }
    assert!(verdict(&findings, "admin token").contains(&"ok".to_owned()));
    assert_eq!(verdict(&findings, "gateways"), ["warn"]);
    companion.stop().unwrap();
    let findings = diagnosed(&companion);
    assert_eq!(verdict(&findings, "internal listener"), ["warn"]);
    assert_eq!(verdict(&findings, "master key"), ["ok"]);

    let key = companion.state().join("master.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let findings = diagnosed(&companion);
    assert_eq!(verdict(&findings, "master key"), ["fail"]);
    assert!(verdict(&findings, "state directory").contains(&"fail".to_owned()));
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    let findings = diagnosed(&companion);
    assert_eq!(verdict(&findings, "master key"), ["ok", "fail"]);
    let shown = run(&companion, &["doctor"]).text;
    assert!(secrets.iter().all(|secret| !shown.contains(secret.trim())));
    fs::write(&key, &secrets[0]).unwrap();

    let nowhere = tempfile::tempdir().unwrap();
    let place = nowhere.path().join("state");
    let printed = latchkey(&place, &["doctor"], &[]).unwrap();
    assert!(
        printed.text.contains("warn  state directory"),
        "{}",
        printed.text
    );
    assert!(!place.exists());
    let printed = latchkey(&place, &["doctor"], &[("LATCHKEY_LISTEN", "nowhere")]).unwrap();
    assert_eq!(printed.code, Some(1));
    assert!(
        printed.text.starts_with("fail  configuration"),
        "{}",
        printed.text
    );
}

/// A wrong port, a wrong password, a template that is none: found before the first visitor waits for a code. Nothing is sent.
#[test]
fn the_doctor_calls_the_mail_server() {
    let login = "latchkey:the-password-of-smtp";
    let security = Security {
        login: Some(login.to_owned()),
        ..Security::default()
    };
    let mut server = SmtpServer::start(security).unwrap();
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let password = place.path().join("password");
    let port = server.port().to_string();
    let diagnosed = |text: &str| {
        fs::write(&password, text).unwrap();
        fs::set_permissions(&password, Permissions::from_mode(0o600)).unwrap();
        let variables = [
            ("LATCHKEY_SMTP__HOST", "localhost"),
            ("LATCHKEY_SMTP__PORT", &port),
            ("LATCHKEY_SMTP__TLS", "none"),
            ("LATCHKEY_SMTP__FROM", "login@example.com"),
            ("LATCHKEY_SMTP__USERNAME", "latchkey"),
            ("LATCHKEY_SMTP__PASSWORD_FILE", password.to_str().unwrap()),
        ];
        let text = latchkey(&state, &["doctor"], &variables).unwrap().text;
        assert!(!text.contains("the-password"), "{text}");
        text
    };
    let well = diagnosed("the-password-of-smtp");
    assert!(well.contains("ok    mail"), "{well}");
    let refused = diagnosed("the-password-of-another");
    assert!(
        refused.contains("fail  mail") && refused.contains("535"),
        "{refused}"
    );
    server.stop();
    let gone = diagnosed("the-password-of-smtp");
    assert!(gone.contains("fail  mail"), "{gone}");
    assert!(!state.exists());
}

fn diagnosed(companion: &Companion) -> Value {
    let printed = run(companion, &["doctor", "--json"]);
    serde_json::from_str(&printed.text).unwrap_or_else(|error| panic!("{error}: {}", printed.text))
}
