//! Signing up: who gets an account, and what a stranger learns about others.

use std::fs;

use serde_json::json;
use tests::companion::Companion;
use tests::visitor::{Visitor, enter_code};

use crate::{MINUTE, companion_with_alice, refusal};

/// PW-10, ER-02: status, headers and body are the same but for the challenge; the owner gets a mail, and keeps her password.
#[test]
fn signing_up_with_a_known_address_looks_like_any_other_sign_up() {
    let (companion, client, alice) = companion_with_alice();
    companion.advance_seconds(MINUTE);
    let intruder = Visitor {
        password: "correct horse battery mallory".to_owned(),
        ..alice.clone()
    };
    let observed = [&intruder, &Visitor::named("bob")].map(|visitor| {
        let answer = visitor.sign_up(&client).unwrap();
        let challenge = answer.string("/challenge_id");
        assert_eq!(challenge.len(), 32);
        let (status, headers, body) = answer.observable();
        (status, headers, body.replace(&challenge, "<challenge>"))
    });
    assert_eq!(observed[0], observed[1]);
    assert_eq!(
        observed[0].2,
        r#"{"challenge_id":"<challenge>","expires_at":"2027-01-15T08:11:00Z","resend_after":"2027-01-15T08:02:00Z"}"#
    );
    let mails = companion.mailbox().wait_for(&alice.email, 2).unwrap();
    assert!(mails[1].contains("Subject: You have an account already"));
    assert!(tests::mailbox::code_in(&mails[1]).is_none());
    assert_eq!(intruder.try_login(&client).unwrap().status, 401);
    alice.login(&client).unwrap();
}

/// PW-10: no code opens the challenge that a known address got, and the answer is that of any wrong code.
#[test]
fn the_challenge_of_a_known_address_is_opened_by_no_code() {
    let (companion, client, alice) = companion_with_alice();
    companion.advance_seconds(MINUTE);
    let known = alice.sign_up(&client).unwrap().string("/challenge_id");
    let unknown = Visitor::named("bob").sign_up(&client).unwrap();
    companion.mailbox().wait_for(&alice.email, 2).unwrap();
    let code = companion.mailbox().code_for("bob@example.com").unwrap();
    let other = if code == "000000" { "000001" } else { "000000" };
    let at_known = enter_code(&client, &known, other).unwrap();
    let at_unknown = enter_code(&client, &unknown.string("/challenge_id"), other).unwrap();
    assert_eq!(at_known.observable(), at_unknown.observable());
    assert_eq!(refusal(&at_known), (422, "invalid_code".to_owned()));
}

/// PW-12: the right password opens nothing before the code has been entered.
#[test]
fn a_sign_up_is_an_account_once_its_code_was_entered_and_not_before() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let alice = Visitor::named("alice");
    let challenge = alice.sign_up(&client).unwrap().string("/challenge_id");
    let code = companion.mailbox().code_for(&alice.email).unwrap();
    let before = alice.try_login(&client).unwrap();
    let unknown = Visitor::named("bob").try_login(&client).unwrap();
    assert_eq!(before.observable(), unknown.observable());
    assert_eq!(refusal(&before), (401, "invalid_credentials".to_owned()));
    let activated = enter_code(&client, &challenge, &code).unwrap();
    assert_eq!(
        (activated.status, activated.text().as_str()),
        (200, r#"{"status":"active"}"#)
    );
    alice.login(&client).unwrap();
}

/// PW-14: one person, however she types her address; mail goes to its one form.
#[test]
fn an_address_is_the_same_in_capitals_and_with_blanks_around_it() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let typed = Visitor {
        email: "  Alice.Miller@EXAMPLE.com ".to_owned(),
        ..Visitor::named("alice")
    };
    let challenge = typed.sign_up(&client).unwrap().string("/challenge_id");
    let mailbox = companion.mailbox();
    let code = mailbox.code_for("alice.miller@example.com").unwrap();
    enter_code(&client, &challenge, &code)
        .unwrap()
        .expect(200, "activation")
        .unwrap();
    for email in ["alice.miller@example.com", "ALICE.MILLER@example.com"] {
        let email = email.to_owned();
        let alice = Visitor {
            email,
            ..typed.clone()
        };
        alice.login(&client).unwrap();
    }
    // Dots and tags make other addresses.
    for email in ["alicemiller@example.com", "alice.miller+x@example.com"] {
        let email = email.to_owned();
        let other = Visitor {
            email,
            ..typed.clone()
        };
        assert_eq!(other.try_login(&client).unwrap().status, 401);
    }
}

/// PW-01, PW-04: refused before anything is sent or counted.
#[test]
fn a_weak_password_or_a_bad_address_is_refused_by_name() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let sign_up = |email: &str, password: &str| {
        let body = json!({ "email": email, "password": password });
        let answer = client.post("/auth/v1/accounts").json(&body).send().unwrap();
        refusal(&answer)
    };
    let long = |bytes: usize| "correct horse battery staple ".repeat(40)[..bytes].to_owned();
    let weak = (422, "weak_password".to_owned());
    for password in [
        "",
        "tangled-orbit8",
        "passwordpassword",
        "123456789012345678",
        "carol@example.com",
        &long(1025),
    ] {
        assert_eq!(sign_up("carol@example.com", password), weak, "{password}");
    }
    let bad = (422, "invalid_email".to_owned());
    for email in [
        "",
        "carol",
        "carol@",
        "c rol@example.com",
        "сarol@example.com",
    ] {
        assert_eq!(sign_up(email, "tangled-orbit84"), bad, "{email}");
    }
    for (email, password) in [
        ("a@example.com", "tangled-orbit84".to_owned()),
        ("b@example.com", long(1024)),
    ] {
        assert_eq!(sign_up(email, &password).0, 202);
        companion.mailbox().code_for(email).unwrap();
    }
    assert!(companion.mailbox().mails_to("carol@example.com").is_empty());
}

/// ER-08, OT-08: mail that cannot be sent changes no answer, lifts no limit, and comes when it can.
#[test]
fn a_mail_that_cannot_be_sent_changes_no_answer_and_comes_later() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let folder = companion.state().join("mail");
    fs::remove_dir_all(&folder).unwrap();
    let alice = Visitor::named("alice");
    let sign_up = alice.sign_up(&client).unwrap();
    assert_eq!(sign_up.status, 202);
    tests::watch::wait_for(
        "a try that fails",
        std::time::Duration::from_secs(5),
        || {
            let tries: u32 = crate::stored(&companion, "SELECT tries FROM outbox");
            Ok((tries > 0).then_some(()))
        },
    )
    .unwrap();
    fs::create_dir(&folder).unwrap();
    companion.advance_seconds(MINUTE);
    let code = companion.mailbox().code_for(&alice.email).unwrap();
    let challenge = sign_up.string("/challenge_id");
    assert_eq!(enter_code(&client, &challenge, &code).unwrap().status, 200);
}
