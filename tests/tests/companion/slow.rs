//! Callers who are slow, who send too much, or who come too often, on every route of both listeners (RL-08). This takes its time: the
//! limits are seconds of the real clock.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use companion::routes::{internal, public};
use tests::companion::Companion;
use tests::watch::Stopwatch;
use tests::wire::status;

/// A head may take five seconds, a body ten; what is beyond that is the machine's.
const LONGEST: Duration = Duration::from_secs(20);
const PIECE: Duration = Duration::from_millis(500);

/// A route, and the port of its listener.
#[derive(Clone, Debug)]
struct Route {
    port: u16,
    method: String,
    path: String,
    /// Whether it reads a body.
    takes_a_body: bool,
}

/// All that the two documents name.
fn routes(companion: &Companion) -> Vec<Route> {
    let settings = companion.settings();
    let documents = [
        (companion.public_port(), public::document(settings)),
        (companion.internal_port(), internal::document(settings)),
    ];
    let mut routes = Vec::new();
    for (port, document) in documents {
        for (path, item) in document["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().iter();
            let methods = methods.filter(|(_, operation)| operation["responses"].is_object());
            routes.extend(methods.map(|(method, operation)| Route {
                port,
                method: method.to_uppercase(),
                path: filled_in(path),
                takes_a_body: operation["requestBody"].is_object(),
            }));
        }
    }
    assert!(routes.len() > 30, "{}", routes.len());
    routes
}

/// With an id in the place of each variable segment.
fn filled_in(path: &str) -> String {
    let segment = |segment: &str| match segment.starts_with('{') {
        true => "0123456789abcdef0123456789abcdef".to_owned(),
        false => segment.to_owned(),
    };
    let segments: Vec<_> = path.split('/').map(segment).collect();
    segments.join("/")
}

impl Route {
    /// The head of a request with a body of that length.
    fn head(&self, length: usize) -> String {
        let Self { method, path, .. } = self;
        format!(
            "{method} {path} HTTP/1.1\r\nhost: companion\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
    }
}

/// What a caller gets who sends these pieces, with pauses between them: the status of the answer, 0 when the connection was closed without
/// one; and after how long.
fn send_slowly(port: u16, pieces: impl IntoIterator<Item = Vec<u8>>) -> (u16, Duration) {
    let watch = Stopwatch::start();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PIECE)).unwrap();
    let mut pieces = pieces.into_iter();
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while watch.elapsed() < 2 * LONGEST {
        // It fails where the other side has closed; what it said before is read below.
        let _ = stream.write_all(&pieces.next().unwrap_or_default());
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(size) => {
                answer.extend_from_slice(&part[..size]);
                break;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    (status(&answer), watch.elapsed())
}

/// A call to each route at once; all must be over in time, and none with success or a fault of the companion's.
fn on_every_route(
    companion: &Companion,
    what: &str,
    call: impl Fn(&Route) -> (u16, Duration) + Sync,
) -> Vec<(Route, u16)> {
    let routes = routes(companion);
    let call = &call;
    let calls = thread::scope(|scope| {
        let calls: Vec<_> = routes
            .iter()
            .map(|route| scope.spawn(move || call(route)))
            .collect();
        let calls = calls.into_iter().map(|call| call.join().unwrap());
        calls.collect::<Vec<_>>()
    });
    for (route, (status, after)) in routes.iter().zip(&calls) {
        assert!(*after < LONGEST, "{what}: {route:?} after {after:?}");
        assert!(*status < 500, "{what}: {route:?} {status}");
    }
    let statuses = calls.into_iter().map(|(status, _)| status);
    routes.into_iter().zip(statuses).collect()
}

/// RL-08: a head or a body that does not come, or comes a byte at a time, holds a connection for some seconds and no longer; nobody else
/// waits for it.
#[test]
fn a_slow_sender_is_cut_off_on_every_route() {
    let companion = Companion::start().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let statuses = on_every_route(&companion, "a head that stops", |route| {
                let head = route.head(0);
                send_slowly(route.port, [head.as_bytes()[..head.len() - 2].to_vec()])
            });
            assert!(statuses.iter().all(|(_, status)| [0, 408].contains(status)));
        });
        scope.spawn(|| {
            on_every_route(&companion, "a head that trickles", |route| {
                let head = route.head(0).into_bytes();
                send_slowly(route.port, head.into_iter().map(|byte| vec![byte]))
            });
        });
        scope.spawn(|| {
            let statuses = on_every_route(&companion, "a body that does not come", |route| {
                send_slowly(route.port, [route.head(100).into_bytes()])
            });
            // Who reads bodies says what it waited for.
            let login = |(route, _): &&(Route, u16)| {
                route.path == "/auth/v1/sessions" && route.method == "POST"
            };
            assert_eq!(statuses.iter().find(login).unwrap().1, 408);
        });
        scope.spawn(|| {
            on_every_route(&companion, "a body that trickles", |route| {
                let head = route.head(100).into_bytes();
                let body = (0..100).map(|_| b" ".to_vec());
                send_slowly(route.port, std::iter::once(head).chain(body))
            });
        });
        // Meanwhile.
        let client = companion.client().unwrap();
        for _ in 0..20 {
            let watch = Stopwatch::start();
            let keys = client.get("/.well-known/jwks.json").send().unwrap();
            assert_eq!(keys.status, 200);
            assert!(watch.elapsed() < Duration::from_secs(5));
        }
    });
}

/// RL-08: a head or a body that is too large is refused at once on every route.
#[test]
fn too_much_is_refused_on_every_route() {
    let companion = Companion::start().unwrap();
    let statuses = on_every_route(&companion, "a head of 64 KiB", |route| {
        let head = route.head(0);
        let filler = format!("x-filler: {}\r\n\r\n", "x".repeat(64 * 1024));
        let large = format!("{}{filler}", &head[..head.len() - 2]);
        send_slowly(route.port, [large.into_bytes()])
    });
    for (route, status) in statuses {
        assert!([0, 431].contains(&status), "{route:?} {status}");
    }
    let statuses = on_every_route(&companion, "a body of 20 MB", |route| {
        let head = route.head(20_000_000).into_bytes();
        let body = std::iter::repeat_n(vec![b' '; 1_000_000], 20);
        send_slowly(route.port, std::iter::once(head).chain(body))
    });
    for (route, status) in statuses {
        assert!(!route.takes_a_body || status >= 400, "{route:?} {status}");
    }
}

/// RL-08: who opens all connections that there are, and sends nothing, keeps others out for seconds; who is in stays in.
#[test]
fn idle_connections_do_not_keep_others_out() {
    let companion = Companion::start().unwrap();
    let insider = companion.client().unwrap();
    let ask = |client: &tests::client::Client| {
        let keys = client.get("/.well-known/jwks.json").send().unwrap();
        assert_eq!(keys.status, 200);
    };
    ask(&insider);
    let port = companion.public_port();
    let idle: Vec<_> = (0..700)
        .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
        .collect();
    ask(&insider);
    let watch = Stopwatch::start();
    ask(&companion.client().unwrap());
    assert!(watch.elapsed() < LONGEST, "{:?}", watch.elapsed());
    drop(idle);
}
