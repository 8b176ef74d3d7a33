//! Mailed codes: how long, how often and where they open something.

use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::mailbox::code_in;
use tests::visitor::{Visitor, enter_code};

use crate::{DAY, MINUTE, at_once, refusal, stored};

/// Somebody who has signed up and holds the mail in hand.
struct SignedUp {
    companion: Companion,
    client: Client,
    alice: Visitor,
    challenge: String,
    code: String,
}

fn signed_up() -> SignedUp {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let alice = Visitor::named("alice");
    let challenge = alice.sign_up(&client).unwrap().string("/challenge_id");
    let code = companion.mailbox().code_for(&alice.email).unwrap();
    SignedUp {
        companion,
        client,
        alice,
        challenge,
        code,
    }
}

impl SignedUp {
    fn enter(&self, code: &str) -> Answer {
        enter_code(&self.client, &self.challenge, code).unwrap()
    }

    /// So many codes that are not the one.
    fn guess(&self, count: usize) {
        for guess in wrong(&self.code).take(count) {
            assert_eq!(refusal(&self.enter(&guess)), invalid_code());
        }
    }

    fn resend(&self) -> Answer {
        let path = format!("/auth/v1/challenges/{}/resend", self.challenge);
        self.client.post(&path).send().unwrap()
    }

    /// The code in the mail of that number, and it is the one from now on.
    fn take_code(&mut self, mail: usize) -> String {
        let mails = self.companion.mailbox();
        let mails = mails.wait_for(&self.alice.email, mail).unwrap();
        self.code = code_in(&mails[mail - 1]).unwrap();
        self.code.clone()
    }
}

/// Codes that are not this one.
fn wrong(code: &str) -> impl Iterator<Item = String> {
    let right: u32 = code.parse().unwrap();
    (1..).map(move |step| format!("{:06}", (right + step) % 1_000_000))
}

fn invalid_code() -> (u16, String) {
    (422, "invalid_code".to_owned())
}

/// OT-02: ten minutes, to the second.
#[test]
fn a_code_opens_for_ten_minutes_and_not_a_second_longer() {
    let in_time = signed_up();
    in_time.companion.advance_seconds(599);
    assert_eq!(in_time.enter(&in_time.code).status, 200);
    let late = signed_up();
    late.companion.advance_seconds(600);
    assert_eq!(refusal(&late.enter(&late.code)), invalid_code());
}

/// ER-02: wrong, used, expired, dead, unknown and malformed: one answer, byte for byte.
#[test]
fn there_is_one_answer_to_every_code_that_does_not_open() {
    let expired = signed_up();
    expired.companion.advance_seconds(600);
    let dead = signed_up();
    dead.guess(5);
    let used = signed_up();
    assert_eq!(used.enter(&used.code).status, 200);
    let fresh = signed_up();
    let unknown = "0123456789abcdef0123456789abcdef";
    let answers = [
        expired.enter(&expired.code),
        dead.enter(&dead.code),
        used.enter(&used.code),
        fresh.enter(&wrong(&fresh.code).next().unwrap()),
        fresh.enter(""),
        fresh.enter(&format!(" {}", fresh.code)),
        fresh.enter(&"1".repeat(10_000)),
        enter_code(&fresh.client, unknown, &fresh.code).unwrap(),
        enter_code(&fresh.client, "x", &fresh.code).unwrap(),
    ];
    for answer in &answers {
        assert_eq!(answer.observable(), answers[0].observable());
    }
    assert_eq!(refusal(&answers[0]), invalid_code());
    assert_eq!(fresh.enter(&fresh.code).status, 200);
}

/// OT-03.
#[test]
fn a_code_works_once() {
    let alice = signed_up();
    assert_eq!(alice.enter(&alice.code).status, 200);
    assert_eq!(refusal(&alice.enter(&alice.code)), invalid_code());
}

/// OT-03: fifty browsers submit the right code at once, and one of them has opened the account. A right code that was used
/// already counts as no wrong one.
#[test]
fn fifty_right_codes_at_once_give_one_success() {
    let alice = signed_up();
    let statuses = at_once(50, |_| alice.enter(&alice.code).status);
    let successes = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(successes, 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 422].contains(status)));
    assert_eq!(
        stored::<u32>(&alice.companion, "SELECT COUNT(*) FROM accounts"),
        1
    );
    assert_eq!(
        stored::<u32>(&alice.companion, "SELECT COUNT(*) FROM attempts"),
        0
    );
    alice.alice.login(&alice.client).unwrap();
}

/// OT-05: the fifth guess may still be right; after five wrong ones the right code is refused too.
#[test]
fn a_challenge_is_dead_after_five_guesses() {
    let lucky = signed_up();
    lucky.guess(4);
    assert_eq!(lucky.enter(&lucky.code).status, 200);
    let unlucky = signed_up();
    unlucky.guess(5);
    assert_eq!(refusal(&unlucky.enter(&unlucky.code)), invalid_code());
}

/// OT-05: counted before it is compared, so that a burst compares no more than five.
#[test]
fn fifty_wrong_codes_at_once_are_five_guesses() {
    let alice = signed_up();
    let guesses: Vec<_> = wrong(&alice.code).take(50).collect();
    let answers = at_once(50, |number| refusal(&alice.enter(&guesses[number])));
    assert!(answers.iter().all(|answer| *answer == invalid_code()));
    assert_eq!(
        stored::<u32>(&alice.companion, "SELECT attempts FROM challenges"),
        5
    );
    assert_eq!(
        stored::<u32>(&alice.companion, "SELECT COUNT(*) FROM attempts"),
        5
    );
    assert_eq!(refusal(&alice.enter(&alice.code)), invalid_code());
}

/// OT-04: my code opens my challenge and nobody else's.
#[test]
fn a_code_opens_its_own_challenge_alone() {
    let alice = signed_up();
    let bob = Visitor::named("bob");
    let of_bob = bob.sign_up(&alice.client).unwrap().string("/challenge_id");
    let code = alice.companion.mailbox().code_for(&bob.email).unwrap();
    if code != alice.code {
        assert_eq!(refusal(&alice.enter(&code)), invalid_code());
        let crossed = enter_code(&alice.client, &of_bob, &alice.code).unwrap();
        assert_eq!(refusal(&crossed), invalid_code());
    }
    assert_eq!(alice.enter(&alice.code).status, 200);
    let bobs = enter_code(&alice.client, &of_bob, &code).unwrap();
    assert_eq!(bobs.status, 200);
}

/// OT-08: a minute between two codes; whoever asks sooner is told how long to wait.
#[test]
fn another_code_can_be_had_after_a_minute() {
    let mut alice = signed_up();
    alice.companion.advance_seconds(20);
    let early = alice.resend();
    assert_eq!(refusal(&early), (429, "rate_limited".to_owned()));
    assert_eq!(early.header("retry-after"), Some("40"));
    alice.companion.advance_seconds(40);
    let again = alice.resend().expect(202, "a resend").unwrap();
    assert_eq!(again.string("/challenge_id"), alice.challenge);
    assert_eq!(again.string("/expires_at"), "2027-01-15T08:11:00Z");
    assert_eq!(again.string("/resend_after"), "2027-01-15T08:02:00Z");
    assert_eq!(alice.resend().status, 429);
    let code = alice.take_code(2);
    // Ten minutes from the second request on.
    alice.companion.advance_seconds(599);
    assert_eq!(alice.enter(&code).status, 200);
}

/// OT-07, OT-06: the code before is useless, and the guesses at it still count.
#[test]
fn another_code_makes_the_older_one_useless_and_gives_no_more_guesses() {
    let mut alice = signed_up();
    let old = alice.code.clone();
    alice.guess(2);
    alice.companion.advance_seconds(MINUTE);
    assert_eq!(alice.resend().status, 202);
    let new = alice.take_code(2);
    assert_ne!(old, new);
    assert_eq!(refusal(&alice.enter(&old)), invalid_code());
    alice.guess(2);
    assert_eq!(refusal(&alice.enter(&new)), invalid_code());
}

/// ER-02: a challenge that was never given out is resent, and limited, as one that was.
#[test]
fn resending_does_not_tell_whether_a_challenge_exists() {
    let alice = signed_up();
    alice.companion.advance_seconds(MINUTE);
    let unknown = "0123456789abcdef0123456789abcdef";
    let observe = |challenge: &str| {
        let path = format!("/auth/v1/challenges/{challenge}/resend");
        let answers = [(), ()].map(|()| alice.client.post(&path).send().unwrap());
        answers.map(|answer| {
            let (status, headers, body) = answer.observable();
            (status, headers, body.replace(challenge, "<challenge>"))
        })
    };
    let [known, unknown] = [&alice.challenge, unknown].map(observe);
    assert_eq!(known, unknown);
    assert_eq!([known[0].0, known[1].0], [202, 429]);
    let malformed = alice.client.post("/auth/v1/challenges/x/resend");
    assert_eq!(
        refusal(&malformed.send().unwrap()),
        (404, "not_found".to_owned())
    );
}

/// OT-06: ten guesses a day at one address, whatever is asked for in between and however often the companion restarts; then the
/// owner is told, no code comes, and after a day all is well again.
#[test]
fn ten_wrong_codes_a_day_close_the_address_for_codes() {
    let mut alice = signed_up();
    alice.guess(5);
    alice.companion.advance_seconds(MINUTE);
    alice.challenge = alice
        .alice
        .sign_up(&alice.client)
        .unwrap()
        .string("/challenge_id");
    let code = alice.take_code(2);
    alice.guess(4);
    alice.companion.restart().unwrap();
    alice.client = alice.companion.client().unwrap();
    alice.guess(1);
    assert_eq!(refusal(&alice.enter(&code)), invalid_code());
    let mails = alice.companion.mailbox();
    let told = mails.wait_for(&alice.alice.email, 3).unwrap();
    assert!(told[2].contains("Subject: Too many wrong codes"));

    alice.companion.advance_seconds(MINUTE);
    assert_eq!(alice.resend().status, 202);
    alice
        .alice
        .sign_up(&alice.client)
        .unwrap()
        .expect(202, "sign-up")
        .unwrap();
    // What is asked for later is mailed later: this mail shows that none of the two before will come.
    let bob = Visitor::named("bob");
    bob.sign_up(&alice.client).unwrap();
    mails.code_for(&bob.email).unwrap();
    assert_eq!(mails.mails_to(&alice.alice.email).len(), 3);

    alice.companion.advance_seconds(DAY);
    alice.challenge = alice
        .alice
        .sign_up(&alice.client)
        .unwrap()
        .string("/challenge_id");
    let code = alice.take_code(4);
    assert_eq!(alice.enter(&code).status, 200);
    alice.alice.login(&alice.client).unwrap();
}
