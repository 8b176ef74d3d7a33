//! How a middleman goes.

use std::sync::{Arc, mpsc};
use std::thread;

use super::{Client, Duration, FOREVER, Middleman, Mischief, pair};

/// Far more than it takes, on a machine that has much to do.
const BOUND: Duration = Duration::from_secs(3);

/// Ends him while a client waits for its answer. No thread of his is left then.
fn end(middleman: Middleman, waiting: &[Client]) {
    let shared = Arc::downgrade(&middleman.shared);
    let (sender, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        drop(middleman);
        sender.send(()).unwrap();
    });
    ended.recv_timeout(BOUND).unwrap();
    thread.join().unwrap();
    assert_eq!(shared.strong_count(), 0);
    for client in waiting {
        client.rest();
    }
}

#[test]
fn he_goes_at_once_whatever_he_does() {
    for mischief in [
        Mischief::Pass,
        Mischief::Refuse,
        Mischief::BlackHole,
        Mischief::HalfOpen,
        Mischief::Delay(FOREVER),
        Mischief::Trickle {
            size: 1,
            pause: FOREVER,
        },
        Mischief::Duplicate,
        Mischief::Reorder { patience: FOREVER },
    ] {
        let (_echo, middleman) = pair();
        let idle = Client::of(&middleman);
        idle.ask("/idle");
        middleman.set(mischief);
        let asking = Client::of(&middleman);
        asking.get("/one");
        thread::sleep(Duration::from_millis(10));
        end(middleman, &[idle, asking]);
    }
}

#[test]
fn he_goes_though_neither_side_reads() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let middleman = Middleman::start(listener.local_addr().unwrap().port()).unwrap();
    let client = Client::of(&middleman);
    let (sender, sent) = mpsc::channel();
    let thread = thread::spawn(move || {
        client.send_until_it_fails();
        sender.send(()).unwrap();
    });
    let (_server, _) = listener.accept().unwrap();
    thread::sleep(Duration::from_millis(100));
    end(middleman, &[]);
    sent.recv_timeout(BOUND).unwrap();
    thread.join().unwrap();
}
