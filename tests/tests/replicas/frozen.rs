use std::thread;
use std::time::Duration;

use tests::client::Client;
use tests::visitor::Tokens;
use tests::watch::Stopwatch;

use crate::{companions, log_out_at_once, two_of_each_with_alice};

/// Design section 4: a companion that stands still in the middle of a revocation holds up no logout of the others.
#[test]
fn logouts_go_on_while_another_replica_is_frozen_in_the_middle_of_revocations() {
    let (stack, alice) = two_of_each_with_alice();
    let companions = companions(&stack);
    let sessions: Vec<Tokens> = (0..200)
        .map(|_| alice.login(&companions[1]).unwrap())
        .collect();
    let (busy, others) = sessions.split_at(160);
    let mut longest = Duration::ZERO;
    thread::scope(|scope| {
        for part in busy.chunks(20) {
            let port = stack.ports_of(0).companion;
            scope.spawn(move || {
                let client = Client::new(port).unwrap();
                for tokens in part {
                    // It may be told 503 where the freeze took longer than anybody waits for the database.
                    let logout = log_out_at_once(&client, tokens);
                    assert!(
                        [200, 202, 503].contains(&logout.status),
                        "{}",
                        logout.text()
                    );
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
        for round in others.chunks(8) {
            // Somewhere in the stream of its revocations.
            stack.signal_replica(0, "STOP");
            for tokens in round {
                let watch = Stopwatch::start();
                let logout = log_out_at_once(&companions[1], tokens);
                longest = longest.max(watch.elapsed());
                assert!([200, 202].contains(&logout.status), "{}", logout.text());
            }
            stack.signal_replica(0, "CONT");
            thread::sleep(Duration::from_millis(50));
        }
    });
    println!(
        "5 freezes, 40 logouts at the other companion meanwhile: the longest took {longest:?}"
    );
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}
