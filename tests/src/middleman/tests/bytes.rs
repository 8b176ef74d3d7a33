//! Mischief with the bytes on their way.

use super::{Client, Duration, FOREVER, Middleman, Mischief, pair, wait_until};

#[test]
fn what_passes_is_as_if_nobody_were_between() {
    let (echo, middleman) = pair();
    let client = Client::of(&middleman);
    assert_eq!(client.ask("/one"), "1 GET /one");
    assert_eq!(client.ask("/two?x=1"), "2 GET /two?x=1");
    assert_eq!(echo.requests().len(), 2);
    assert_eq!((middleman.connections(), middleman.requests()), (1, 2));
}

#[test]
fn a_request_in_two_pieces_arrives_as_one() {
    let (echo, middleman) = pair();
    let client = Client::of(&middleman);
    client.send("GET /one HT");
    client.hears_nothing();
    client.send("TP/1.1\r\n\r\n");
    assert_eq!(client.hear(), "1 GET /one");
    assert_eq!(echo.requests(), ["GET /one"]);
    assert_eq!(middleman.requests(), 1);
}

#[test]
fn a_hang_up_reaches_the_other_side() {
    let (echo, middleman) = pair();
    let client = Client::of(&middleman);
    client.ask("/one");
    drop(client);
    wait_until("the server to hear of it", || echo.hang_ups() == 1);
    let client = Client::of(&middleman);
    client.ask("/two");
    echo.close_connections();
    assert_eq!(client.rest(), "");
}

#[test]
fn a_client_before_no_server_is_hung_up_on() {
    let (echo, middleman) = pair();
    drop(echo);
    let client = Client::of(&middleman);
    client.get("/one");
    assert_eq!(client.rest(), "");
}

#[test]
fn the_refused_are_cut_off_whether_they_were_there_before_or_come_then() {
    let (echo, middleman) = pair();
    let (held, idle) = (Client::of(&middleman), Client::of(&middleman));
    held.ask("/one");
    middleman.set(Mischief::Refuse);
    held.is_reset();
    idle.is_reset();
    let (loud, silent) = (Client::of(&middleman), Client::of(&middleman));
    loud.get("/two");
    assert_eq!((loud.rest(), silent.rest()), (String::new(), String::new()));
    assert_eq!(echo.requests().len(), 1);
    assert_eq!(middleman.connections(), 4);
}

#[test]
fn a_black_hole_swallows_both_ways_and_hangs_up_on_nobody() {
    let (echo, middleman) = pair();
    let held = Client::of(&middleman);
    held.ask("/one");
    middleman.set(Mischief::BlackHole);
    let new = Client::of(&middleman);
    held.get("/two");
    new.get("/three");
    echo.close_connections();
    held.hears_nothing();
    new.hears_nothing();
    assert_eq!(echo.requests().len(), 1);
    assert_eq!(middleman.connections(), 2);
}

#[test]
fn at_a_half_open_connection_the_server_works_and_the_client_never_hears() {
    let (echo, middleman) = pair();
    middleman.set(Mischief::HalfOpen);
    let client = Client::of(&middleman);
    client.get("/one");
    wait_until("the request", || echo.requests().len() == 1);
    client.hears_nothing();
    drop(echo);
    client.get("/two");
    client.hears_nothing();
}

#[test]
fn what_is_delayed_arrives_later_and_in_order() {
    let (_echo, middleman) = pair();
    middleman.set(Mischief::Delay(Duration::from_millis(5)));
    let client = Client::of(&middleman);
    assert_eq!(client.ask("/one"), "1 GET /one");
    assert_eq!(client.ask("/two"), "2 GET /two");
}

#[test]
fn what_is_delayed_goes_on_as_soon_as_all_may_pass() {
    let (echo, middleman) = pair();
    middleman.set(Mischief::Delay(FOREVER));
    let client = Client::of(&middleman);
    client.get("/one");
    client.hears_nothing();
    assert_eq!(echo.requests().len(), 0);
    middleman.set(Mischief::Pass);
    assert_eq!(client.hear(), "1 GET /one");
}

#[test]
fn a_trickle_is_a_few_bytes_and_then_a_pause() {
    let (_echo, middleman) = pair();
    let trickle = |pause| Mischief::Trickle { size: 3, pause };
    middleman.set(trickle(FOREVER));
    let client = Client::of(&middleman);
    client.get("/one");
    assert_eq!(client.piece(), "HTT");
    client.hears_nothing();
    middleman.set(trickle(Duration::from_millis(1)));
    assert!(client.piece().starts_with("P/1"));
    middleman.set(Mischief::Trickle {
        size: 0,
        pause: Duration::ZERO,
    });
    let client = Client::of(&middleman);
    assert_eq!(client.ask("/two"), "2 GET /two");
}

#[test]
fn bytes_that_are_no_http_pass() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let middleman = Middleman::start(listener.local_addr().unwrap().port()).unwrap();
    middleman.set(Mischief::Replay);
    let client = Client::of(&middleman);
    client.send("\u{16}\u{3}\u{1}");
    let (mut server, _) = listener.accept().unwrap();
    let mut bytes = [0; 3];
    std::io::Read::read_exact(&mut server, &mut bytes).unwrap();
    assert_eq!(bytes, [22, 3, 1]);
    assert_eq!(middleman.requests(), 0);
}
