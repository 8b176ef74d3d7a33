use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tests::client::Client;
use tests::place;
use tests::ports::Ports;
use tests::setup::Setup;
use tests::visitor::Tokens;
use tests::watch::{Stopwatch, wait_for};

use crate::{companions, gateways, with_alice};

/// RV-07: a companion that cannot reach its store proves no freshness; nothing is acknowledged that is not stored; all come back by
/// themselves.
#[test]
fn while_the_database_is_gone_nothing_is_acknowledged_and_the_gateways_deny_in_time() {
    let setup = Setup {
        configuration: Some(place::impatient_configuration(5).unwrap()),
        ..Setup::on(Ports::free_block(2).unwrap())
    };
    let (mut stack, alice) = with_alice(setup);
    let (doors, companions) = (gateways(&stack), companions(&stack));
    let internals: Vec<_> = (0..2)
        .map(|number| Client::new(stack.ports_of(number).internal).unwrap())
        .collect();
    let sessions: Vec<Tokens> = (0..80)
        .map(|_| alice.login(&companions[0]).unwrap())
        .collect();
    let (load, rest) = sessions.split_at(60);
    let is_over = AtomicBool::new(false);
    let answered: Mutex<Vec<&Tokens>> = Mutex::default();
    let slowest: Mutex<Duration> = Mutex::default();
    thread::scope(|scope| {
        for (part, companion) in load.chunks(15).zip([0, 1, 0, 1]) {
            let (answered, slowest, is_over) = (&answered, &slowest, &is_over);
            let companion = &companions[companion];
            scope.spawn(move || {
                for tokens in part {
                    // Until it is acknowledged; meanwhile it is told in time that it cannot be.
                    while !is_over.load(Ordering::SeqCst) {
                        let watch = Stopwatch::start();
                        let answer = crate::log_out_at_once(companion, tokens);
                        if [200, 202].contains(&answer.status) {
                            answered.lock().unwrap().push(tokens);
                            break;
                        }
                        assert_eq!(
                            (answer.status, answer.string("/code").as_str()),
                            (503, "unavailable")
                        );
                        let mut slowest = slowest.lock().unwrap();
                        *slowest = slowest.max(watch.elapsed());
                        drop(slowest);
                        thread::sleep(Duration::from_millis(50));
                    }
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
        while answered.lock().unwrap().len() < 8 {
            thread::yield_now();
        }
        // As if the power had failed.
        stack.postgres_mut().unwrap().stop_immediate().unwrap();
        let gone = Stopwatch::start();
        for internal in &internals {
            assert_eq!(internal.get("/readyz").send().unwrap().status, 503);
            assert_eq!(internal.get("/healthz").send().unwrap().status, 200);
        }
        // RV-07: stale after 5 s, whoever asks and with whatever token.
        wait_for("both gateways to deny", Duration::from_secs(8), || {
            let answers = doors.iter().map(|door| rest[0].call(door));
            let statuses: Vec<_> = answers
                .map(|answer| answer.map(|answer| answer.status))
                .collect::<Result<_, _>>()?;
            Ok((statuses == [503, 503]).then_some(()))
        })
        .unwrap();
        println!(
            "the gateways denied {:?} after the database had gone",
            gone.elapsed()
        );
        stack.postgres_mut().unwrap().start_again().unwrap();
        let back = Stopwatch::start();
        stack.await_ready().unwrap();
        println!(
            "all was ready again {:?} after the database was back",
            back.elapsed()
        );
    });
    is_over.store(true, Ordering::SeqCst);
    let answered = answered.into_inner().unwrap();
    assert_eq!(answered.len(), load.len());
    println!(
        "{} logouts acknowledged around the outage; a refusal took {:?} at most",
        answered.len(),
        slowest.into_inner().unwrap()
    );
    let last = rest[1].log_out(&companions[1]).unwrap();
    last.expect(200, "a logout after the outage").unwrap();
    for tokens in &answered {
        for door in &doors {
            assert_eq!(tokens.call(door).unwrap().status, 401);
        }
        assert_eq!(tokens.try_refresh(&companions[0]).unwrap().status, 401);
    }
    for door in &doors {
        assert_eq!(rest[2].call(door).unwrap().status, 200);
    }
    for number in 0..2 {
        assert!(stack.replica(number).is_some(), "a companion was restarted");
    }
    stack.must_run().unwrap();
}
