//! A lost password: who gets a new one, what ends with the old one, and what a stranger can do with somebody's address.

use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::mailbox::{code_in, long_code_in};
use tests::visitor::{Tokens, Visitor, enter_code};

use crate::{
    DAY, MINUTE, at_once, companion_with_alice, events, is_alive, refusal, stored, tamper,
};

const NEW: &str = "a new orbit that tangles 84";

/// Asks for a new password.
pub(crate) fn ask(client: &Client, email: &str) -> Answer {
    let body = json!({ "purpose": "recovery", "email": email });
    let asked = client.post("/auth/v1/challenges").json(&body);
    asked.send().unwrap()
}

/// Enters a code, and what the password is to be.
pub(crate) fn recover(client: &Client, challenge: &str, code: &str, password: &str) -> Answer {
    let body = json!({ "code": code, "new_password": password });
    let path = format!("/auth/v1/challenges/{challenge}/verify");
    let entered = client.post(&path).header("prefer", "respond-async");
    entered.json(&body).send().unwrap()
}

/// Somebody who has lost her password and holds the mail in hand.
struct Lost {
    companion: Companion,
    client: Client,
    alice: Visitor,
    tokens: Tokens,
    challenge: String,
    mail: String,
}

impl Lost {
    fn code(&self) -> String {
        code_in(&self.mail).unwrap()
    }

    fn long_code(&self) -> String {
        long_code_in(&self.mail).unwrap()
    }

    fn enter(&self, code: &str) -> Answer {
        recover(&self.client, &self.challenge, code, NEW)
    }

    fn with(&self, password: &str) -> Visitor {
        Visitor {
            password: password.to_owned(),
            ..self.alice.clone()
        }
    }

    /// Codes that are not the one.
    fn wrong(&self, count: u32) -> Vec<String> {
        let right: u32 = self.code().parse().unwrap();
        let guess = |step| format!("{:06}", (right + step) % 1_000_000);
        (1..=count).map(guess).collect()
    }
}

fn lost() -> Lost {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let challenge = ask(&client, &alice.email).string("/challenge_id");
    let mail = companion.mailbox().wait_for(&alice.email, 2).unwrap();
    Lost {
        challenge,
        mail: mail[1].clone(),
        companion,
        client,
        alice,
        tokens,
    }
}

fn invalid_code() -> (u16, String) {
    (422, "invalid_code".to_owned())
}

/// OT-10, PW-15, PW-16, RV-02: the new password works and the old one does not, all sessions have ended, nobody is logged in by it, and
/// the owner is told.
#[test]
fn a_recovery_sets_a_new_password_and_ends_all_sessions() {
    let lost = lost();
    let other = lost.alice.login(&lost.client).unwrap();
    let answer = lost.enter(&lost.code());
    assert!([200, 202].contains(&answer.status), "{}", answer.text());
    assert_eq!(answer.json()["revocation"]["sessions"], 2);
    let members = answer.json();
    assert_eq!(members.as_object().unwrap().len(), 1);
    assert!(answer.header("set-cookie").is_none());
    for tokens in [&lost.tokens, &other] {
        assert!(!is_alive(&lost.client, tokens));
        assert_eq!(tokens.try_refresh(&lost.client).unwrap().status, 401);
    }
    assert_eq!(lost.alice.try_login(&lost.client).unwrap().status, 401);
    lost.with(NEW).login(&lost.client).unwrap();
    let mails = lost.companion.mailbox().wait_for(&lost.alice.email, 3);
    assert!(mails.unwrap()[2].contains("Subject: You have a new password"));
    assert_eq!(events(&lost.companion, "account_recovered"), 1);
}

/// OT-10: whoever asks for somebody's recovery changes nothing but what waits for the code.
#[test]
fn asking_for_a_recovery_changes_nothing_on_the_account() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let state = || {
        let account: String = stored(
            &companion,
            "SELECT email || password_hash || login_epoch || is_active || roles FROM accounts",
        );
        let session: String = stored(
            &companion,
            "SELECT generation || '.' || latest_exp || '.' || (ended_at IS NULL) FROM sessions",
        );
        (account, session)
    };
    let before = state();
    ask(&client, &alice.email).expect(202, "recovery").unwrap();
    companion.mailbox().wait_for(&alice.email, 2).unwrap();
    assert_eq!(state(), before);
    assert!(is_alive(&client, &tokens));
    alice.login(&client).unwrap();
}

/// ER-02: known, unknown and disabled look the same, also where a code is entered; only the known address gets a mail.
#[test]
fn a_recovery_does_not_tell_whether_an_account_exists() {
    let (companion, client, alice) = companion_with_alice();
    companion.account("bob").unwrap();
    tamper(
        &companion,
        "UPDATE accounts SET is_active = 0 < 0 WHERE email = 'bob@example.com'",
    );
    let observe = |answer: &Answer, challenge: &str| {
        let (status, headers, body) = answer.observable();
        let headers: Vec<_> = headers
            .into_iter()
            .filter(|(name, _)| name != "x-request-id")
            .collect();
        (status, headers, body.replace(challenge, "<challenge>"))
    };
    let mut seen = Vec::new();
    for email in ["alice@example.com", "bob@example.com", "nobody@example.com"] {
        let asked = ask(&client, email);
        let challenge = asked.string("/challenge_id");
        companion.advance_seconds(1);
        // What is asked for later is mailed later: when this mail is there, the errand before has been carried out.
        let probe = format!("probe-{email}");
        Visitor::named(&probe.replace('@', "-"))
            .sign_up(&client)
            .unwrap();
        let probe = format!("{}@example.com", probe.replace('@', "-"));
        companion.mailbox().code_for(&probe).unwrap();
        let weak = recover(&client, &challenge, "000000", "short");
        let wrong = recover(&client, &challenge, "00000x", NEW);
        let long = recover(&client, &challenge, &"A".repeat(26), NEW);
        let bare = enter_code(&client, &challenge, "000000").unwrap();
        seen.push([
            observe(&weak, &challenge),
            observe(&wrong, &challenge),
            observe(&long, &challenge),
            observe(&bare, &challenge),
        ]);
        assert_eq!(asked.status, 202);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert_eq!(companion.mailbox().mails_to(&alice.email).len(), 2);
    assert_eq!(companion.mailbox().mails_to("bob@example.com").len(), 1);
    assert!(
        companion
            .mailbox()
            .mails_to("nobody@example.com")
            .is_empty()
    );
}

/// PW-04: a weak password is refused before the code is counted, as at sign-up.
#[test]
fn a_weak_password_costs_no_code() {
    let lost = lost();
    for password in [
        "short",
        "passwordpassword",
        "alice@example.com",
        "AliceAlice123456",
    ] {
        for _ in 0..3 {
            let answer = recover(&lost.client, &lost.challenge, &lost.code(), password);
            assert_eq!(refusal(&answer), (422, "weak_password".to_owned()));
        }
    }
    let attempts: u32 = stored(&lost.companion, "SELECT COUNT(*) FROM attempts");
    assert_eq!(attempts, 0);
    assert!(lost.enter(&lost.code()).status < 300);
}

/// OT-03: fifty browsers, one new password.
#[test]
fn fifty_right_codes_at_once_set_one_password() {
    let lost = lost();
    let code = lost.code();
    let statuses = at_once(50, |number| {
        let password = format!("{NEW} {number}");
        recover(&lost.client, &lost.challenge, &code, &password).status
    });
    let successes: Vec<_> = (0..50).filter(|at| statuses[*at] < 300).collect();
    assert_eq!(successes.len(), 1, "{statuses:?}");
    assert!(
        statuses
            .iter()
            .all(|status| [200, 202, 422, 429, 503].contains(status)),
        "{statuses:?}"
    );
    let password = format!("{NEW} {}", successes[0]);
    lost.with(&password).login(&lost.client).unwrap();
    assert_eq!(events(&lost.companion, "account_recovered"), 1);
}

/// RL-03, OT-06: a stranger who burns the guesses of the day keeps nobody out: the long code opens still, also the next one, and has no
/// budget that could be used up.
#[test]
fn guessing_does_not_close_the_way_back_of_the_owner() {
    let mut lost = lost();
    for guess in lost.wrong(5) {
        assert_eq!(refusal(&lost.enter(&guess)), invalid_code());
    }
    assert_eq!(refusal(&lost.enter(&lost.code())), invalid_code());
    lost.companion.advance_seconds(MINUTE);
    lost.challenge = ask(&lost.client, &lost.alice.email).string("/challenge_id");
    let mails = lost.companion.mailbox();
    lost.mail = mails.wait_for(&lost.alice.email, 3).unwrap()[2].clone();
    for guess in lost.wrong(5) {
        assert_eq!(refusal(&lost.enter(&guess)), invalid_code());
    }
    let told = mails.wait_for(&lost.alice.email, 4).unwrap();
    assert!(told[3].contains("Subject: Too many wrong codes"));

    lost.companion.advance_seconds(MINUTE);
    lost.challenge = ask(&lost.client, &lost.alice.email).string("/challenge_id");
    lost.mail = mails.wait_for(&lost.alice.email, 5).unwrap()[4].clone();
    assert!(code_in(&lost.mail).is_none());
    for _ in 0..10 {
        let guess = "B".repeat(26);
        assert_eq!(refusal(&lost.enter(&guess)), invalid_code());
    }
    let answer = lost.enter(&lost.long_code().to_lowercase());
    assert!(answer.status < 300, "{}", answer.text());
    lost.with(NEW).login(&lost.client).unwrap();
}

/// RL-01: who reads the mail of the address is no guesser; what others have guessed is forgotten.
#[test]
fn a_recovery_opens_an_account_that_guessing_has_closed() {
    let lost = lost();
    let wrong = lost.with("not this one at all");
    while wrong.try_login(&lost.client).unwrap().status != 429 {}
    assert_eq!(lost.alice.try_login(&lost.client).unwrap().status, 429);
    assert!(lost.enter(&lost.code()).status < 300);
    lost.with(NEW).login(&lost.client).unwrap();
}

/// OT-08: three in a row for one address, then one in an hour; the same for one that nobody has.
#[test]
fn recoveries_are_limited_by_address_whether_or_not_it_is_known() {
    let companion = Companion::with(|settings| {
        let limits = companion::config::Limits::default();
        settings.limits.recovery_per_email = limits.recovery_per_email;
        settings.limits.recovery_per_address = limits.recovery_per_address;
    })
    .unwrap();
    let alice = companion.account("alice").unwrap();
    let of = |from: &str| companion.client_from(from).unwrap();
    for (email, from) in [
        (alice.email.as_str(), "127.0.0.2"),
        ("no@example.com", "127.0.0.3"),
    ] {
        let client = of(from);
        for _ in 0..3 {
            assert_eq!(ask(&client, email).status, 202);
        }
        let refused = ask(&of("127.0.0.4"), email);
        assert_eq!(refusal(&refused), (429, "rate_limited".to_owned()));
        assert_eq!(refused.header("retry-after"), Some("3600"));
    }
    // Of one client five, whatever addresses it asks for.
    let client = of("127.0.0.5");
    let statuses: Vec<_> = (0..6)
        .map(|number| ask(&client, &format!("x{number}@example.com")).status)
        .collect();
    assert_eq!(statuses, [202, 202, 202, 202, 202, 429]);
}

/// OT-12: what a request says about the host is in no mail.
#[test]
fn a_mail_names_the_configured_address_and_never_the_one_of_the_request() {
    let (companion, client, alice) = companion_with_alice();
    let body = json!({ "purpose": "recovery", "email": alice.email });
    let asked = client
        .post("/auth/v1/challenges")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example")
        .json(&body);
    assert_eq!(asked.send().unwrap().status, 202);
    let mails = companion.mailbox().wait_for(&alice.email, 2).unwrap();
    assert!(!mails[1].contains("evil.example"));
    assert!(mails[1].contains("latchkey@localhost"));
}

/// OT-04, ER-04: a new password is for a recovery, and a recovery needs one.
#[test]
fn a_recovery_needs_a_new_password_and_nothing_else_takes_one() {
    let lost = lost();
    let bare = enter_code(&lost.client, &lost.challenge, &lost.code()).unwrap();
    assert_eq!(refusal(&bare), (400, "invalid_request".to_owned()));
    let bob = Visitor::named("bob");
    let sign_up = bob.sign_up(&lost.client).unwrap().string("/challenge_id");
    let code = lost.companion.mailbox().code_for(&bob.email).unwrap();
    let answer = recover(&lost.client, &sign_up, &code, NEW);
    assert_eq!(refusal(&answer), (400, "invalid_request".to_owned()));
    for body in [
        json!({ "purpose": "recovery" }),
        json!({ "purpose": "login", "email": "a@example.com" }),
        json!({ "purpose": "email_change", "email": "a@example.com" }),
        json!({ "purpose": "Recovery", "email": "a@example.com" }),
    ] {
        let answer = lost.client.post("/auth/v1/challenges").json(&body);
        let answer = answer.send().unwrap();
        assert_eq!(
            refusal(&answer),
            (400, "invalid_request".to_owned()),
            "{body}"
        );
    }
    assert!(lost.enter(&lost.code()).status < 300);
}

/// PW-14: one person, however she types her address; the mail goes to the one that is stored, and look-alikes get none.
#[test]
fn a_recovery_is_mailed_to_the_stored_address() {
    let (companion, client, alice) = companion_with_alice();
    companion.advance_seconds(DAY);
    for typed in [
        "  ALICE@Example.COM ",
        "alice+x@example.com",
        "al.ice@example.com",
    ] {
        assert_eq!(ask(&client, typed).status, 202);
    }
    assert_eq!(refusal(&ask(&client, "аlice@example.com")).0, 422);
    companion.mailbox().wait_for(&alice.email, 2).unwrap();
    Visitor::named("probe").sign_up(&client).unwrap();
    companion.mailbox().code_for("probe@example.com").unwrap();
    assert_eq!(companion.mailbox().mails_to(&alice.email).len(), 2);
    for other in ["alice+x@example.com", "al.ice@example.com"] {
        assert!(companion.mailbox().mails_to(other).is_empty());
    }
}

/// The receipt of a recovery is like any other, and can be asked for later.
#[test]
fn the_receipt_of_a_recovery_can_be_looked_up() {
    let lost = lost();
    let answer = lost.enter(&lost.code());
    let id = answer.string("/revocation/id");
    let later = lost.client.get(&format!("/auth/v1/revocations/{id}"));
    let later: Value = later.send().unwrap().json();
    assert_eq!(later["revocation"]["id"], id.as_str());
}
