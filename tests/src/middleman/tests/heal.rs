//! After the mischief.

use super::{Client, Duration, Echo, FOREVER, Mischief, pair};

const ALL: [Mischief; 12] = [
    Mischief::Refuse,
    Mischief::BlackHole,
    Mischief::HalfOpen,
    Mischief::Delay(FOREVER),
    Mischief::Trickle {
        size: 1,
        pause: FOREVER,
    },
    Mischief::CutReplies { one_in: 1, seed: 0 },
    Mischief::RefusePath("/before"),
    Mischief::Truncate,
    Mischief::Replay,
    Mischief::ReplayOldest,
    Mischief::Duplicate,
    Mischief::Reorder { patience: FOREVER },
];

#[test]
fn after_each_mischief_new_connections_pass() {
    let (_echo, middleman) = pair();
    for mischief in ALL {
        middleman.set(mischief);
        let client = Client::of(&middleman);
        client.get("/before");
        std::thread::sleep(Duration::from_millis(10));
        middleman.set(Mischief::Pass);
        let answer = Client::of(&middleman).ask("/after");
        assert!(answer.ends_with("GET /after"), "{mischief:?}: {answer}");
    }
}

#[test]
fn an_open_connection_outlives_a_black_hole() {
    let (_echo, middleman) = pair();
    let client = Client::of(&middleman);
    client.ask("/one");
    middleman.set(Mischief::BlackHole);
    client.get("/lost");
    client.hears_nothing();
    middleman.set(Mischief::Pass);
    assert_eq!(client.ask("/two"), "2 GET /two");
}

#[test]
fn a_client_learns_after_a_black_hole_that_the_server_had_hung_up() {
    let (echo, middleman) = pair();
    let client = Client::of(&middleman);
    client.ask("/one");
    middleman.set(Mischief::BlackHole);
    echo.close_connections();
    client.hears_nothing();
    middleman.set(Mischief::Pass);
    client.get("/two");
    assert_eq!(client.rest(), "");
}

#[test]
fn new_connections_go_to_where_the_server_is_now() {
    let (echo, middleman) = pair();
    let held = Client::of(&middleman);
    held.ask("/one");
    let other = Echo::start();
    middleman.set_target(other.port());
    assert_eq!(Client::of(&middleman).ask("/two"), "1 GET /two");
    assert_eq!(held.ask("/three"), "2 GET /three");
    drop(echo);
    assert_eq!(held.rest(), "");
    assert_eq!(Client::of(&middleman).ask("/four"), "2 GET /four");
}
