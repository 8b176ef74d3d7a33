use std::time::Duration;

use tests::watch::Stopwatch;
use tests::workers::at_both_workers;

use crate::{gateways, percentile, two_of_each_with_alice};

/// RV-01 over replicas: after the 200 of a logout at one companion no worker of a gateway that polls the other accepts the token.
#[test]
fn a_logout_at_one_replica_is_in_force_at_the_gateways_of_all_two_hundred_times() {
    let (stack, alice) = two_of_each_with_alice();
    let doors = gateways(&stack);
    let callers: Vec<_> = (0..2)
        .flat_map(|number| at_both_workers(stack.ports_of(number), 1).unwrap())
        .collect();
    let (mut accepted, mut incomplete) = (0, 0);
    let mut times: Vec<Duration> = Vec::new();
    for round in 0..200 {
        let door = &doors[round % 2];
        let tokens = alice.login(door).unwrap();
        for caller in &callers {
            let answer = tokens.call(&caller.client).unwrap();
            assert_eq!(answer.status, 200, "round {round}: {}", answer.text());
        }
        let watch = Stopwatch::start();
        let logout = tokens.log_out(&doors[(round / 2) % 2]).unwrap();
        times.push(watch.elapsed());
        match logout.status {
            200 => assert_eq!(logout.json()["revocation"]["gateways"]["live"], 2),
            202 => incomplete += 1,
            _ => panic!("{}", logout.text()),
        }
        for caller in &callers {
            let answer = tokens.call(&caller.client).unwrap();
            accepted += i32::from(answer.status == 200);
        }
    }
    times.sort();
    println!(
        "200 logouts over 2 companions and 2 gateways: receipt after p50 {:?}, p99 {:?}; {accepted} accepted, {incomplete} answered 202",
        percentile(&times, 50),
        percentile(&times, 99),
    );
    assert_eq!((accepted, incomplete), (0, 0));
}
