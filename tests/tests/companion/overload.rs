//! More logins than the machine can take: who is turned away is told so, and who is logged in already notices little.

use std::thread;

use tests::client::{Answer, Client};
use tests::companion::{Companion, Gateway};
use tests::visitor::{Tokens, Visitor};

/// How many log in at one moment.
const LOGINS: usize = 500;

/// What became of the logins.
#[derive(Debug, Default)]
struct Flood {
    looked_at: u64,
    turned_away: u64,
}

/// So many people whom nobody knows log in at one moment, each over a connection of his own.
fn flood(client: &Client) -> Flood {
    let answers = crate::at_once(LOGINS, |number| {
        let nobody = Visitor::named(&format!("nobody{number}"));
        nobody.try_login(client).unwrap()
    });
    let mut flood = Flood::default();
    for answer in &answers {
        match answer.status {
            401 => flood.looked_at += 1,
            503 => flood.turned_away += 1,
            _ => panic!("{answer:?}"),
        }
    }
    for answer in answers.iter().filter(|answer| answer.status == 503) {
        assert_eq!(refused(answer), ("overloaded".to_owned(), Some("2")));
    }
    flood
}

fn refused(answer: &Answer) -> (String, Option<&str>) {
    (answer.string("/code"), answer.header("retry-after"))
}

/// RL-07: five hundred at once are a few runs of argon2id and many polite refusals; meanwhile refreshes, logouts, the feed and the health
/// check are answered, and the next login is.
#[test]
fn five_hundred_logins_at_once_are_answered_and_hold_up_nobody_else() {
    let companion = Companion::with(|settings| settings.hashing.permits = 1).unwrap();
    let client = companion.client().unwrap();
    let alice = companion.account("alice").unwrap();
    let mut tokens = alice.login(&client).unwrap();
    let other = alice.login(&client).unwrap();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let before = companion.hashing();
    let (flood, refreshes) = thread::scope(|scope| {
        let attack = scope.spawn(|| flood(&companion.client_from("127.0.0.2").unwrap()));
        let mut refreshes = 0;
        while !attack.is_finished() || refreshes == 0 {
            tokens = Tokens::refresh(&tokens, &client).unwrap();
            refreshes += 1;
            gateway.poll(0).unwrap();
            let health = companion.internal().unwrap().get("/healthz");
            health.send().unwrap().expect(200, "health").unwrap();
        }
        (attack.join().unwrap(), refreshes)
    });
    let after = companion.hashing();
    // Who was looked at cost one run, and who was not cost none.
    assert_eq!(after.runs - before.runs, flood.looked_at, "{flood:?}");
    assert_eq!(
        after.refused - before.refused,
        flood.turned_away,
        "{flood:?}"
    );
    assert!(flood.looked_at > 0 && flood.turned_away > 0, "{flood:?}");
    assert!(refreshes > 0);
    assert_eq!(after.waiting, 0);
    crate::log_out(&client, &other);
    alice.login(&client).unwrap();
}
