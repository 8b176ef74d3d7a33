//! What guessing at codes comes to (security requirements D5): not the refusals are counted, but the codes that were looked at.

use std::time::Duration;

use tests::mailbox::long_code_in;
use tests::watch::wait_for;

use crate::figures::figures;
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
