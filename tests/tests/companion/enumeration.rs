//! Who has an account shows in no answer, and in no work that is done for it. `make bench` measures the time.

use std::cell::Cell;
use std::time::Duration;

use serde_json::json;
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::visitor::{Visitor, enter_code};
use tests::watch::wait_for;

use crate::{MINUTE, companion_with_alice, stored, tamper};

/// How often each call is made: what runs beside it now and then makes it look more expensive, never cheaper.
const TIMES: usize = 6;

/// One of the calls that must look alike.
struct Case<'a> {
    name: &'a str,
    /// Makes the call; the number is that of the round.
    call: Box<dyn Fn(usize) -> Answer + 'a>,
}

fn case<'a>(name: &'a str, call: impl Fn(usize) -> Answer + 'a) -> Case<'a> {
    let call = Box::new(call);
    Case { name, call }
}

/// What was done for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Work {
    /// How often argon2id ran.
    hashes: u64,
    /// How many transactions of the store there were, those of the outbox too.
    transactions: u64,
}

fn work(companion: &Companion) -> Work {
    Work {
        hashes: companion.hashing().runs,
        transactions: companion.transactions(),
    }
}

/// Nothing is under way any more.
fn wait_until_quiet(companion: &Companion) {
    let last = Cell::new(u64::MAX);
    wait_for("quiet", Duration::from_secs(10), || {
        let errands: u32 = stored(
            companion,
            "SELECT COUNT(*) FROM outbox WHERE dead_at IS NULL",
        );
        let transactions = companion.transactions();
        let is_quiet = errands == 0 && last.replace(transactions) == transactions;
        Ok(is_quiet.then_some(()))
    })
    .unwrap();
}

/// Without what is random in it.
fn shown(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let (status, mut headers, body) = answer.observable();
    headers.retain(|(name, _)| name != "x-request-id");
    let challenge = answer.string("/challenge_id");
    if challenge.is_empty() {
        return (status, headers, body);
    }
    assert_eq!(challenge.len(), 32);
    (status, headers, body.replace(&challenge, "<challenge>"))
}

/// All cases get the same bytes at the same moment, and cost the same work: the least of some rounds.
fn assert_alike(companion: &Companion, cases: &[Case<'_>]) {
    let mut least = vec![None::<Work>; cases.len()];
    for round in 0..TIMES {
        // Delays after failures, and the minute between two mails, are over.
        companion.advance_seconds(16 * MINUTE);
        let mut first = None;
        for (case, least) in cases.iter().zip(&mut least) {
            wait_until_quiet(companion);
            let before = work(companion);
            let answer = shown(&(case.call)(round));
            wait_until_quiet(companion);
            let after = work(companion);
            let known = least.unwrap_or(after);
            *least = Some(Work {
                hashes: known.hashes.min(after.hashes - before.hashes),
                transactions: known
                    .transactions
                    .min(after.transactions - before.transactions),
            });
            assert_eq!(
                *first.get_or_insert(answer.clone()),
                answer,
                "{}",
                case.name
            );
        }
    }
    for (case, work) in cases.iter().zip(&least) {
        assert_eq!(work, &least[0], "{} against {}", case.name, cases[0].name);
    }
}

fn disable(companion: &Companion, visitor: &Visitor) {
    let email = &visitor.email;
    let disable = format!("UPDATE accounts SET is_active = false WHERE email = '{email}'");
    tamper(companion, &disable);
}

/// Somebody whom no round before has met.
fn nobody(round: usize) -> Visitor {
    Visitor::named(&format!("nobody{round}"))
}

fn wrong(visitor: &Visitor) -> Visitor {
    Visitor {
        password: "a wrong guess at it".to_owned(),
        ..visitor.clone()
    }
}

/// PW-08, PW-09, ER-02, D6: unknown, wrong, disabled, not activated, too long: the same bytes for one run of argon2id and the same number
/// of transactions.
#[test]
fn a_login_that_fails_costs_the_same_whoever_it_is_for() {
    let (companion, client, alice) = companion_with_alice();
    let disabled = companion.account("dora").unwrap();
    disable(&companion, &disabled);
    let pending = Visitor::named("penny");
    pending.sign_up(&client).unwrap();
    companion.mailbox().code_for(&pending.email).unwrap();
    let login = |visitor: &Visitor| visitor.try_login(&client).unwrap();
    let too_long = |visitor: Visitor| Visitor {
        password: "x".repeat(1025),
        ..visitor
    };
    assert_alike(
        &companion,
        &[
            case("unknown", |round| login(&nobody(round))),
            case("wrong password", |_| login(&wrong(&alice))),
            case("disabled, right password", |_| login(&disabled)),
            case("disabled, wrong password", |_| login(&wrong(&disabled))),
            case("not activated", |_| login(&pending)),
            case("too long", |_| login(&too_long(alice.clone()))),
            case("unknown and too long", |round| {
                login(&too_long(nobody(round)))
            }),
        ],
    );
    // What is no address nobody has; it costs the run all the same.
    let malformed = Visitor {
        email: "no address".to_owned(),
        ..alice.clone()
    };
    let before = companion.hashing().runs;
    assert_eq!(shown(&login(&malformed)), shown(&login(&nobody(TIMES))));
    assert_eq!(companion.hashing().runs, before + 2);
}

/// PW-10, ER-02, D6: two runs of the gate and one of argon2id for each, and as many transactions in request and outbox together.
#[test]
fn a_sign_up_costs_the_same_whether_the_address_is_known_or_not() {
    let (companion, client, alice) = companion_with_alice();
    let [bob, disabled] = ["bob", "dora"].map(|name| companion.account(name).unwrap());
    disable(&companion, &disabled);
    let other = |visitor: &Visitor| Visitor {
        password: "correct horse battery mallory".to_owned(),
        ..visitor.clone()
    };
    let sign_up = |visitor: &Visitor| visitor.sign_up(&client).unwrap();
    assert_alike(
        &companion,
        &[
            case("unknown", |round| sign_up(&nobody(round))),
            case("known", |_| sign_up(&alice)),
            case("known, another password", |_| sign_up(&other(&bob))),
            case("disabled", |_| sign_up(&disabled)),
        ],
    );
    let before = companion.hashing().runs;
    sign_up(&alice);
    assert_eq!(companion.hashing().runs, before + 1);
    let weak = |visitor: Visitor| {
        sign_up(&Visitor {
            password: "passwordpassword".to_owned(),
            ..visitor
        })
    };
    assert_alike(
        &companion,
        &[
            case("unknown, weak", |round| weak(nobody(round))),
            case("known, weak", |_| weak(alice.clone())),
        ],
    );
}

fn new_challenge(client: &Client, purpose: &str, email: &str) -> Answer {
    let body = json!({ "purpose": purpose, "email": email });
    let call = client.post("/auth/v1/challenges").json(&body);
    call.send().unwrap()
}

/// ER-02, D6: activation is asked for by somebody who is pending, somebody who has an account, and nobody.
#[test]
fn a_new_challenge_costs_the_same_whoever_it_is_for() {
    let (companion, client, alice) = companion_with_alice();
    let pending = Visitor::named("penny");
    pending.sign_up(&client).unwrap();
    let ask = |visitor: &Visitor| new_challenge(&client, "activation", &visitor.email);
    assert_alike(
        &companion,
        &[
            case("unknown", |round| ask(&nobody(round))),
            case("known", |_| ask(&alice)),
            case("pending", |_| ask(&pending)),
        ],
    );
}

/// ER-02, OT-10, D6: recovery is asked for by somebody, by somebody who is disabled, and by nobody.
#[test]
fn a_recovery_costs_the_same_whoever_it_is_for() {
    let (companion, client, alice) = companion_with_alice();
    let disabled = companion.account("dora").unwrap();
    disable(&companion, &disabled);
    let ask = |visitor: &Visitor| new_challenge(&client, "recovery", &visitor.email);
    assert_alike(
        &companion,
        &[
            case("unknown", |round| ask(&nobody(round))),
            case("known", |_| ask(&alice)),
            case("disabled", |_| ask(&disabled)),
        ],
    );
}

/// ER-02: how long a challenge lives that was asked for again, as far as any answer shows it, is the same for all.
#[test]
fn a_challenge_that_was_asked_for_again_lives_as_long_whoever_it_is_for() {
    let (companion, client, alice) = companion_with_alice();
    let disabled = companion.account("dora").unwrap();
    disable(&companion, &disabled);
    companion.advance_seconds(MINUTE);
    let begin = |sign_up: bool, visitor: &Visitor| {
        let begun = match sign_up {
            true => visitor.sign_up(&client).unwrap(),
            false => new_challenge(&client, "recovery", &visitor.email),
        };
        begun.string("/challenge_id")
    };
    for sign_up in [true, false] {
        let people = [&nobody(0), &alice, &disabled];
        let challenges = people.map(|visitor| begin(sign_up, visitor));
        // Every quarter of a minute, for as long as there may be a difference; each at one moment.
        for step in 0..100_u64 {
            wait_until_quiet(&companion);
            if step == 36 {
                for challenge in &challenges {
                    let path = format!("/auth/v1/challenges/{challenge}/resend");
                    assert_eq!(client.post(&path).send().unwrap().status, 202);
                }
                wait_until_quiet(&companion);
            }
            for body in [
                json!({ "code": "no code" }),
                json!({ "code": "no code", "new_password": "short" }),
            ] {
                // Shapes alone: no attempt of the five is made while the challenge is alive.
                if (sign_up, body.get("new_password").is_some()) == (true, false) {
                    continue;
                }
                let seen = challenges.each_ref().map(|challenge| {
                    let path = format!("/auth/v1/challenges/{challenge}/verify");
                    shown(&client.post(&path).json(&body).send().unwrap())
                });
                for other in &seen[1..] {
                    assert_eq!(other, &seen[0], "sign-up {sign_up}, step {step}, {body}");
                }
            }
            companion.advance_seconds(15);
        }
    }
}

/// ER-02, OT-08, D6: a challenge that a known address got, and one that an unknown one got.
#[test]
fn a_resend_or_a_wrong_code_costs_the_same_whatever_the_challenge_is_for() {
    let (companion, client, alice) = companion_with_alice();
    let challenges = [&alice, &Visitor::named("bob")].map(|visitor| {
        companion.advance_seconds(MINUTE);
        visitor.sign_up(&client).unwrap().string("/challenge_id")
    });
    let resend = |challenge: &str| {
        let call = client.post(&format!("/auth/v1/challenges/{challenge}/resend"));
        call.send().unwrap()
    };
    let cases = |call: &dyn Fn(&str) -> Answer| {
        wait_until_quiet(&companion);
        let [known, unknown] = &challenges;
        assert_alike(
            &companion,
            &[
                case("known", |_| call(known)),
                case("unknown", |_| call(unknown)),
            ],
        );
        // One that was never given out belongs to nobody.
        companion.advance_seconds(16 * MINUTE);
        let never = call("0123456789abcdef0123456789abcdef");
        assert_eq!(shown(&never).0, shown(&call(known)).0);
    };
    cases(&|challenge| enter_code(&client, challenge, "no code").unwrap());
    cases(&resend);
}
