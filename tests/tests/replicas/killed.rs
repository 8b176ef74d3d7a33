use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use tests::visitor::Tokens;
use tests::watch::{Stopwatch, wait_for};

use crate::{companions, gateways, two_of_each_with_alice};

/// RV-03 over replicas: SIGKILL to a companion under load. What was acknowledged holds, and its gateway hears from the other one.
#[test]
fn a_killed_replica_loses_no_acknowledged_logout_and_its_gateway_goes_on_with_the_other() {
    let (mut stack, alice) = two_of_each_with_alice();
    let doors = gateways(&stack);
    let survivor = companions(&stack).remove(1);
    let sessions: Vec<Tokens> = (0..120).map(|_| alice.login(&survivor).unwrap()).collect();
    let (load, probe) = sessions.split_at(100);
    for tokens in &sessions {
        assert_eq!(tokens.call(&doors[0]).unwrap().status, 200);
    }
    let answered: Mutex<Vec<&Tokens>> = Mutex::default();
    let after_the_kill = thread::scope(|scope| {
        for (part, door) in load.chunks(25).zip([0, 1, 0, 1]) {
            let (answered, door) = (&answered, doors[door].clone());
            scope.spawn(move || {
                for tokens in part {
                    // A connection that was cut says nothing; a status is a word that must hold.
                    if tokens
                        .log_out(&door)
                        .is_ok_and(|answer| [200, 202].contains(&answer.status))
                    {
                        answered.lock().unwrap().push(tokens);
                    }
                }
            });
        }
        while answered.lock().unwrap().len() < 20 {
            thread::yield_now();
        }
        stack.kill_replica(0);
        let watch = Stopwatch::start();
        // Its gateway has the next page when it denies what only the other companion can have told it.
        let logout = probe[0].log_out(&survivor).unwrap();
        assert!([200, 202].contains(&logout.status), "{}", logout.text());
        wait_for(
            "the gateway to hear from the other companion",
            Duration::from_secs(5),
            || Ok((probe[0].call(&doors[0])?.status == 401).then_some(())),
        )
        .unwrap();
        watch.elapsed()
    });
    let answered = answered.into_inner().unwrap();
    println!(
        "{} logouts acknowledged around the kill; its gateway heard from the other companion after {after_the_kill:?}",
        answered.len()
    );
    // The receipts that were 202 have had their time: the gateways are up to date when a new one is 200.
    let logout = probe[1].log_out(&survivor).unwrap();
    logout.expect(200, "a logout after the kill").unwrap();
    for tokens in &answered {
        for door in &doors {
            assert_eq!(tokens.call(door).unwrap().status, 401);
        }
        assert_eq!(tokens.try_refresh(&survivor).unwrap().status, 401);
    }
    // Whoever was not logged out is served on.
    assert_eq!(probe[19].call(&doors[0]).unwrap().status, 200);
}
