//! What guessing comes to (security requirements D5): not the refusals are counted, but the codes and passwords that were looked at.

use std::time::Duration;

use companion::config::Limits;
use serde_json::json;
use tests::companion::Companion;
use tests::mailbox::long_code_in;
use tests::watch::wait_for;

use crate::figures::figures;
use crate::guesses::{WRONG, guess, plant_accounts, verified};
use crate::recovery::{ask, recover};
use crate::{ask_to_step_up, companion_with_alice, enter_with, is_alive, refusal, with_app};

const GUESSES: usize = 1_000;
/// Between two guesses, in seconds: all of them within a day.
const PACE: u64 = 80;
const NEW: &str = "a new orbit that tangles 84";

fn invalid_code() -> (u16, String) {
    (422, "invalid_code".to_owned())
}

/// OT-06, D5: somebody who has stolen a session, and knows the address, guesses all day: at new challenges and at old ones, after
/// resends, for a recovery and for a step-up by turns.
#[test]
fn a_thousand_guesses_of_any_mixture_are_twenty_looks_at_a_code() {
    let (companion, client, alice) = companion_with_alice();
    let internal = companion.internal().unwrap();
    let compared =
        || figures(&internal)["latchkey_companion_codes_compared_total{code=\"mailed\"}"];
    let before = compared();
    let mut stolen = alice.login(&client).unwrap();
    let mut challenges = [Vec::new(), Vec::new()];
    for guess in 0..GUESSES {
        if guess % 3 == 0 {
            stolen = stolen.refresh(&client).unwrap();
        }
        let is_recovery = guess % 2 == 0;
        let known = &mut challenges[usize::from(is_recovery)];
        if guess % 5 < 2 || known.is_empty() {
            let asked = if is_recovery {
                ask(&client, &alice.email)
            } else {
                ask_to_step_up(&client, &stolen)
            };
            known.push(
                asked
                    .expect(202, "a challenge")
                    .unwrap()
                    .string("/challenge_id"),
            );
        } else if guess % 5 == 2 {
            let path = format!("/auth/v1/challenges/{}/resend", known[known.len() - 1]);
            client.post(&path).send().unwrap();
        }
        let challenge = &known[known.len() - 1 - guess % known.len().min(3)];
        // Not even by chance the right one, and compared all the same.
        let code = format!("x{guess:05}");
        let answer = if is_recovery {
            recover(&client, challenge, &code, NEW)
        } else {
            enter_with(&client, &stolen, challenge, &code)
        };
        assert_eq!(refusal(&answer), invalid_code(), "{guess}");
        companion.advance_seconds(PACE);
    }
    let looks = compared() - before;
    assert!(looks > 10.0 && looks <= 20.0, "{looks}");
    // RL-03: the owner still has a way back, and it is the owner's alone.
    let challenge = ask(&client, &alice.email).string("/challenge_id");
    wait_for("a way back", Duration::from_secs(15), || {
        let mails = companion.mailbox().mails_to(&alice.email);
        let long = mails.iter().rev().find_map(|mail| long_code_in(mail));
        let answer = long.map(|long| recover(&client, &challenge, &long, NEW));
        Ok(answer.filter(|answer| answer.status < 300))
    })
    .unwrap();
    assert!(!is_alive(&client, &stolen));
}

/// TO-05, D5: the same with the password, at the codes of the app: ten a day, whatever they would open.
#[test]
fn a_thousand_guesses_at_an_app_are_ten_looks_at_its_code() {
    let alice = with_app();
    let internal = alice.companion.internal().unwrap();
    let compared = || figures(&internal)["latchkey_companion_codes_compared_total{code=\"app\"}"];
    let before = compared();
    let mut stolen = alice.tokens.clone();
    for guess in 0..GUESSES {
        stolen = stolen.refresh(&alice.client).unwrap();
        let code = alice.wrong_code();
        let answer = if guess % 2 == 0 {
            alice.enter(&alice.challenge(), &code)
        } else {
            let asked = ask_to_step_up(&alice.client, &stolen);
            let challenge = asked.string("/challenge_id");
            enter_with(&alice.client, &stolen, &challenge, &code)
        };
        assert!([422, 429].contains(&answer.status), "{guess}");
        alice.companion.advance_seconds(PACE);
    }
    assert_eq!(compared() - before, 10.0);
}

/// RL-01, TO-05, OT-06, D5: by all doors in turn, with a stolen session: the login, the reauthentication and the change of the password are
/// one budget, the step-up with the app and the recovery have theirs, and no door gives another's.
#[test]
fn a_thousand_guesses_by_every_door_stay_in_the_budget_of_each() {
    let alice = with_app();
    let (companion, client) = (&alice.companion, &alice.client);
    let internal = companion.internal().unwrap();
    let looks = || {
        let figures = figures(&internal);
        let codes = ["app", "mailed"]
            .map(|code| format!("latchkey_companion_codes_compared_total{{code=\"{code}\"}}"));
        let passwords = "latchkey_companion_passwords_verified_total".to_owned();
        let [app, mailed] = codes;
        [passwords, app, mailed].map(|name| figures[&name])
    };
    let before = looks();
    let mut stolen = alice.tokens.clone();
    for number in 0..GUESSES {
        stolen = stolen.refresh(client).unwrap();
        let code = alice.wrong_code();
        let answer = match number % 5 {
            0 => guess(client, &alice.alice.email, WRONG),
            1 => {
                let path = "/auth/v1/sessions/current/reauthenticate";
                let body = json!({ "password": WRONG, "code": code });
                client
                    .post(path)
                    .bearer(&stolen.access)
                    .json(&body)
                    .send()
                    .unwrap()
            }
            2 => {
                let body = json!({ "current_password": WRONG, "new_password": NEW });
                let change = client.request("PUT", "/auth/v1/account/password");
                change.bearer(&stolen.access).json(&body).send().unwrap()
            }
            3 => {
                let challenge = ask_to_step_up(client, &stolen).string("/challenge_id");
                enter_with(client, &stolen, &challenge, &code)
            }
            _ => {
                let challenge = ask(client, &alice.alice.email).string("/challenge_id");
                companion.advance_seconds(1);
                recover(client, &challenge, "x00000", NEW)
            }
        };
        assert!(
            [401, 422, 429].contains(&answer.status),
            "{number}: {}",
            answer.text()
        );
        companion.advance_seconds(PACE);
    }
    let after = looks();
    let [passwords, app, mailed] = [0, 1, 2].map(|at| after[at] - before[at]);
    assert_eq!((passwords, app), (100.0, 10.0));
    assert!(mailed > 5.0 && mailed <= 10.0, "{mailed}");
}

/// RL-02, D5: each account would give five guesses; the address from which they come gives ten, and ten a minute.
#[test]
fn one_password_tried_on_a_thousand_accounts_is_as_many_looks_as_the_address_has() {
    let companion = Companion::with(|settings| {
        settings.limits.login_per_address = Limits::default().login_per_address;
    })
    .unwrap();
    companion.account("alice").unwrap();
    plant_accounts(&companion, GUESSES);
    let attacker = companion.client_from("127.0.0.2").unwrap();
    let before = verified(&companion);
    for number in 1..=GUESSES {
        let status = guess(&attacker, &format!("person{number}@example.com"), WRONG).status;
        assert!([401, 429].contains(&status), "{number}: {status}");
        // A thousand in a hundred seconds, in which one more comes every six.
        companion.advance(Duration::from_millis(100));
    }
    assert_eq!(verified(&companion) - before, 10 + 16);
}

/// RL-01, RL-02, D5: what the attacker's own account does in between forgets nothing of another's, nor of his address.
#[test]
fn own_logins_in_between_give_no_new_guesses_at_another_s_password() {
    let companion = Companion::with(|settings| {
        settings.limits.login_per_address = "30+1/1h".parse().unwrap();
    })
    .unwrap();
    let [alice, mallory] = ["alice", "mallory"].map(|name| companion.account(name).unwrap());
    let attacker = companion.client_from("127.0.0.2").unwrap();
    let before = verified(&companion);
    let mut own = 0;
    for _ in 0..30 {
        guess(&attacker, &alice.email, WRONG);
        own += u64::from(mallory.try_login(&attacker).unwrap().status == 201);
    }
    assert_eq!((own, verified(&companion) - before - own), (15, 5));
}
