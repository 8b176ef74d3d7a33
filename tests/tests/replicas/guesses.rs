use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde_json::json;
use tests::client::{Answer, Client};
use tests::stack::Stack;
use tests::visitor::Visitor;
use tests::watch::Stopwatch;

use crate::{companions, two_of_each_with_alice};

const PASSWORDS: &str = "latchkey_companion_passwords_verified_total";
const CODES: &str = "latchkey_companion_codes_compared_total{code=\"mailed\"}";

/// What that companion has counted since its start.
fn counted(stack: &Stack, number: usize, name: &str) -> u64 {
    let internal = Client::new(stack.ports_of(number).internal).unwrap();
    let page = internal.get("/metrics").send().unwrap().text();
    let value = page.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap().trim().parse().unwrap()
}

/// RL-01: how many guesses at a password an account gives in that time.
fn budget(time: Duration) -> u64 {
    let mut next = Duration::ZERO;
    let mut guesses = 5;
    for delay in [1, 2, 4, 8, 16, 32] {
        next += Duration::from_secs(delay);
        guesses += u64::from(time >= next);
    }
    guesses
}

fn guess(companion: &Client, email: &str) -> Answer {
    let wrong = Visitor {
        email: email.to_owned(),
        password: "a wrong guess at it".to_owned(),
    };
    wrong.try_login(companion).unwrap()
}

/// A wrong code for a new password.
fn try_code(companion: &Client, challenge: &str, code: &str) -> u16 {
    let body = json!({ "code": code, "new_password": "a new orbit that tangles 84" });
    let path = format!("/auth/v1/challenges/{challenge}/verify");
    companion.post(&path).json(&body).send().unwrap().status
}

/// RL-05, RL-06, OT-05, D5: guesses that are spread over two companions, at one moment, come to the budget of one; the end of one of them
/// gives the other nothing.
#[test]
fn guesses_spread_over_two_companions_come_to_one_budget_and_a_kill_gives_no_more() {
    let (mut stack, alice) = two_of_each_with_alice();
    let callers = companions(&stack);
    let before = [0, 1].map(|number| counted(&stack, number, PASSWORDS));
    let watch = Stopwatch::start();
    for number in 0..4 {
        assert_eq!(guess(&callers[number % 2], &alice.email).status, 401);
    }
    let start = Barrier::new(40);
    thread::scope(|scope| {
        for number in 0..40 {
            let (start, caller, email) = (&start, &callers[number % 2], &alice.email);
            scope.spawn(move || {
                start.wait();
                let status = guess(caller, email).status;
                assert!([401, 429, 503].contains(&status), "{status}");
            });
        }
    });
    let looks = [0, 1].map(|number| counted(&stack, number, PASSWORDS) - before[number]);
    let burst: u64 = looks.iter().sum();
    assert!(looks[0] > 1 && looks[1] > 1, "{looks:?}");
    assert!(
        burst >= 5 && burst <= budget(watch.elapsed()),
        "{looks:?} in {:?}",
        watch.elapsed()
    );

    let asked = callers[0].post("/auth/v1/challenges");
    let asked = asked.json(&json!({ "purpose": "recovery", "email": alice.email }));
    let challenge = asked.send().unwrap().string("/challenge_id");
    stack.mailbox().wait_for(&alice.email, 2).unwrap();
    let code = tests::mailbox::code_in(&stack.mailbox().mails_to(&alice.email)[1]).unwrap();
    for number in 0..4 {
        let status = try_code(&callers[number % 2], &challenge, &format!("x{number:05}"));
        assert_eq!(status, 422);
    }
    assert_eq!([0, 1].map(|number| counted(&stack, number, CODES)), [3, 2]);

    stack.kill_replica(0);
    for number in 4..8 {
        try_code(&callers[1], &challenge, &format!("x{number:05}"));
    }
    // One was left, and the right one comes too late.
    assert_eq!(counted(&stack, 1, CODES), 3);
    assert_eq!(try_code(&callers[1], &challenge, &code), 422);
    for _ in 0..20 {
        guess(&callers[1], &alice.email);
    }
    let all = looks[0] + counted(&stack, 1, PASSWORDS) - before[1];
    assert!(
        all <= budget(watch.elapsed()),
        "{all} in {:?}",
        watch.elapsed()
    );
}
