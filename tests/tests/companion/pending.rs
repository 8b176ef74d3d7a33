//! Several sign-ups with one address: a code opens the sign-up that it was sent for, and no other (PW-18).

use serde_json::json;
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::mailbox::code_in;
use tests::visitor::{Visitor, enter_code};

use crate::{MINUTE, refusal};

/// Mallory signs up with Alice's address and a password of her own, then Alice does.
struct Rivals {
    companion: Companion,
    client: Client,
    mallory: Visitor,
    alice: Visitor,
    at_mallory: String,
    at_alice: String,
}

fn rivals() -> Rivals {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let alice = Visitor::named("alice");
    let mallory = Visitor {
        password: "correct horse battery mallory".to_owned(),
        ..alice.clone()
    };
    let at_mallory = mallory.sign_up(&client).unwrap().string("/challenge_id");
    companion.mailbox().wait_for(&alice.email, 1).unwrap();
    companion.advance_seconds(MINUTE);
    let at_alice = alice.sign_up(&client).unwrap().string("/challenge_id");
    companion.mailbox().wait_for(&alice.email, 2).unwrap();
    Rivals {
        companion,
        client,
        mallory,
        alice,
        at_mallory,
        at_alice,
    }
}

impl Rivals {
    /// The code in the mail of that number.
    fn code(&self, mail: usize) -> String {
        let mails = self.companion.mailbox();
        let mails = mails.wait_for(&self.alice.email, mail).unwrap();
        code_in(&mails[mail - 1]).unwrap()
    }

    fn enter(&self, challenge: &str, code: &str) -> (u16, String) {
        refusal(&enter_code(&self.client, challenge, code).unwrap())
    }

    fn new_challenge(&self, email: &str) -> Answer {
        new_challenge(&self.client, email)
    }
}

fn new_challenge(client: &Client, email: &str) -> Answer {
    let body = json!({ "purpose": "activation", "email": email });
    let answer = client.post("/auth/v1/challenges").json(&body).send();
    answer.unwrap().expect(202, "a new challenge").unwrap()
}

/// PW-18: Alice enters the code that came last where she signed up; Mallory's password opens nothing, then or later.
#[test]
fn whoever_signs_up_first_with_my_address_gets_nothing_when_i_sign_up() {
    let rivals = rivals();
    let wrong = (422, "invalid_code".to_owned());
    let (first, second) = (rivals.code(1), rivals.code(2));
    assert_eq!(rivals.enter(&rivals.at_mallory, &second), wrong);
    assert_eq!(rivals.enter(&rivals.at_mallory, &first), wrong);
    assert_eq!(rivals.enter(&rivals.at_alice, &first), wrong);
    assert_eq!(rivals.enter(&rivals.at_alice, &second).0, 200);
    rivals.alice.login(&rivals.client).unwrap();
    assert_eq!(
        rivals.mallory.try_login(&rivals.client).unwrap().status,
        401
    );

    // The other sign-up is dead: another code for it never comes.
    rivals.companion.advance_seconds(MINUTE);
    let resend = format!("/auth/v1/challenges/{}/resend", rivals.at_mallory);
    assert_eq!(rivals.client.post(&resend).send().unwrap().status, 202);
    let mails = rivals.companion.mailbox();
    let mails = mails.wait_for(&rivals.alice.email, 3).unwrap();
    assert!(code_in(&mails[2]).is_none(), "{}", mails[2]);
    assert_eq!(rivals.enter(&rivals.at_mallory, &second), wrong);
}

/// PW-18, OT-07: the other way round. Mallory comes second; Alice's code has become useless, Mallory's is in Alice's mail.
#[test]
fn whoever_signs_up_after_me_does_not_get_my_code_to_open_his_sign_up() {
    let rivals = rivals();
    let (mine, his) = (&rivals.at_mallory, &rivals.at_alice);
    let wrong = (422, "invalid_code".to_owned());
    assert_eq!(rivals.enter(his, &rivals.code(1)), wrong);
    assert_eq!(rivals.enter(mine, &rivals.code(1)), wrong);
    rivals.companion.advance_seconds(MINUTE);
    let resend = format!("/auth/v1/challenges/{mine}/resend");
    assert_eq!(rivals.client.post(&resend).send().unwrap().status, 202);
    assert_eq!(rivals.enter(mine, &rivals.code(3)).0, 200);
    rivals.mallory.login(&rivals.client).unwrap();
    assert_eq!(rivals.alice.try_login(&rivals.client).unwrap().status, 401);
}

/// PW-18: which of two sign-ups a new challenge would open is not clear, so it opens neither, and the owner is told.
#[test]
fn a_new_challenge_gives_no_code_while_two_sign_ups_are_pending() {
    let rivals = rivals();
    rivals.companion.advance_seconds(MINUTE);
    let challenge = rivals.new_challenge(&rivals.alice.email);
    let mails = rivals.companion.mailbox();
    let mails = mails.wait_for(&rivals.alice.email, 3).unwrap();
    assert!(mails[2].contains("Subject: Please sign up again"));
    assert!(code_in(&mails[2]).is_none(), "{}", mails[2]);
    let wrong = (422, "invalid_code".to_owned());
    let challenge = challenge.string("/challenge_id");
    for mail in [1, 2] {
        assert_eq!(rivals.enter(&challenge, &rivals.code(mail)), wrong);
    }
    // What the mail advises works.
    rivals.companion.advance_seconds(MINUTE);
    let again = rivals.alice.sign_up(&rivals.client).unwrap();
    let code = rivals.code(4);
    assert_eq!(rivals.enter(&again.string("/challenge_id"), &code).0, 200);
    rivals.alice.login(&rivals.client).unwrap();
    assert_eq!(
        rivals.mallory.try_login(&rivals.client).unwrap().status,
        401
    );
}

/// OT-04, OT-07: with one sign-up pending the new code opens it, and the older code opens nothing.
#[test]
fn a_new_challenge_opens_the_one_sign_up_that_is_pending() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let alice = Visitor::named("alice");
    let first = alice.sign_up(&client).unwrap().string("/challenge_id");
    let old = companion.mailbox().code_for(&alice.email).unwrap();
    companion.advance_seconds(MINUTE);
    let second = new_challenge(&client, &alice.email).string("/challenge_id");
    let mails = companion.mailbox().wait_for(&alice.email, 2).unwrap();
    let new = code_in(&mails[1]).unwrap();
    for (challenge, code) in [(&first, &old), (&first, &new)] {
        assert_eq!(enter_code(&client, challenge, code).unwrap().status, 422);
    }
    if old != new {
        assert_eq!(enter_code(&client, &second, &old).unwrap().status, 422);
    }
    assert_eq!(enter_code(&client, &second, &new).unwrap().status, 200);
    alice.login(&client).unwrap();
}

/// ER-02: a new challenge tells nothing: known, pending and unknown addresses answer alike.
#[test]
fn a_new_challenge_does_not_tell_who_has_an_account() {
    let rivals = rivals();
    let bob = rivals.companion.account("bob").unwrap();
    rivals.companion.advance_seconds(MINUTE);
    let observed = [&rivals.alice.email, &bob.email, "nobody@example.com"].map(|email| {
        let answer = rivals.new_challenge(email);
        let (status, headers, body) = answer.observable();
        let body = body.replace(&answer.string("/challenge_id"), "<challenge>");
        (status, headers, body)
    });
    assert!(observed.iter().all(|answer| *answer == observed[0]));
    let mails = rivals.companion.mailbox();
    let to_bob = mails.wait_for(&bob.email, 2).unwrap();
    assert!(to_bob[1].contains("Subject: You have an account already"));
    mails.wait_for(&rivals.alice.email, 3).unwrap();
    assert!(mails.mails_to("nobody@example.com").is_empty());
}
