//! How a companion ends: unready first, then with an answer to everybody who waits for one.

use std::thread;
use std::time::Duration;

use companion::span::Span;
use tests::companion::Gateway;
use tests::watch::{Stopwatch, wait_for};

use crate::companion_with_alice;

/// While it drains, `/readyz` says so and everything else works; then what is held is answered.
#[test]
fn a_companion_is_unready_before_it_stops() {
    let (mut companion, _, alice) = companion_with_alice();
    companion.change(|settings| settings.drain_delay = Span::seconds(2));
    companion.restart().unwrap();
    let client = companion.client().unwrap();
    let internal = companion.internal().unwrap();
    assert_eq!(internal.get("/readyz").send().unwrap().status, 200);
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let watch = Stopwatch::start();
    thread::scope(|scope| {
        let held = scope.spawn(|| {
            let page = gateway.poll(20).unwrap();
            (page, watch.elapsed())
        });
        thread::sleep(Duration::from_millis(300));
        let stopping = scope.spawn(|| companion.stop().unwrap());
        wait_for("it to be unready", Duration::from_secs(1), || {
            let status = internal.get("/readyz").send()?.status;
            Ok((status == 503).then_some(()))
        })
        .unwrap();
        assert_eq!(internal.get("/healthz").send().unwrap().status, 200);
        alice.login(&client).unwrap();
        stopping.join().unwrap();
        let (page, answered) = held.join().unwrap();
        assert!(page.revoked.is_empty());
        assert!(
            answered > Duration::from_secs(2) && answered < Duration::from_secs(10),
            "{answered:?}"
        );
    });
    assert!(client.get("/.well-known/jwks.json").send().is_err());
}
