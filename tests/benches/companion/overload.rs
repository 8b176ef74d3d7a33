//! What a flood of logins does to those who are logged in (RL-07): bursts of so many at one moment, each over a connection of its own,
//! while sessions are refreshed, the feed is polled and the health is asked for.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tests::client::Client;
use tests::fault::Fault;
use tests::place;
use tests::ranks::{median, quantile};
use tests::visitor::Visitor;
use tests::watch::Stopwatch;
use tests::wire;

use tests::server::Server;

/// Logins at one moment.
const LOGINS: usize = 500;
const BURSTS: usize = 12;
/// Calls of each kind while nothing else happens.
const IDLE: usize = 400;
/// Between two calls of one kind: people do not come in a queue.
const PAUSE: Duration = Duration::from_millis(5);
/// How much slower the slowest may be.
const MOST_TIMES: f64 = 5.0;
/// What takes no longer, in microseconds, holds nobody up, however little it takes when idle.
const SHORT: f64 = 10_000.0;
/// Beyond what it takes when idle: the memory of all runs, and of all connections.
const MOST_MEBIBYTES: f64 = 150.0;

/// Times in microseconds of what is not to be held up.
#[derive(Default)]
struct Times {
    refreshes: Vec<f64>,
    polls: Vec<f64>,
    health: Vec<f64>,
}

/// Measures idle and under load. Whether the bounds hold.
pub(crate) fn run() -> Result<bool, Fault> {
    let server = Server::start(&place::optimised_program("latchkey")?)?;
    let owner = server.account("owner")?;
    let mut other = Other::new(&server, &owner)?;
    let mut idle = Times::default();
    for _ in 0..IDLE {
        other.calls(&mut idle)?;
    }
    let (before, _) = server.memory()?;
    let (busy, statuses) = under_load(&server, &mut other)?;
    let (after, most) = server.memory()?;

    println!("\n{BURSTS} bursts of {LOGINS} logins at one moment\n");
    println!(
        "{:<20} {:>8} {:>12} {:>12} {:>12} {:>12} {:>8}",
        "", "calls", "idle median", "idle p99", "median µs", "p99 µs", "times"
    );
    let mut holds = true;
    for (name, idle, busy) in [
        ("refresh", &idle.refreshes, &busy.refreshes),
        ("poll of the feed", &idle.polls, &busy.polls),
        ("health", &idle.health, &busy.health),
    ] {
        let (idle_p99, busy_p99) = (quantile(idle, 0.99), quantile(busy, 0.99));
        let times = busy_p99 / idle_p99;
        let does_hold = times < MOST_TIMES || busy_p99 < SHORT;
        println!(
            "{name:<20} {:>8} {:>12.0} {idle_p99:>12.0} {:>12.0} {busy_p99:>12.0} {times:>8.1} {}",
            busy.len(),
            median(idle),
            median(busy),
            if does_hold { "" } else { "HELD UP" }
        );
        holds &= does_hold;
    }
    println!("\nlogins by status: {statuses:?}");
    let strange = statuses
        .keys()
        .any(|status| ![401, 429, 503].contains(status));
    println!("memory in MiB: {before:.0} before, {after:.0} after, {most:.0} at most");
    holds &= !strange && most - before < MOST_MEBIBYTES;
    println!(
        "{}",
        if holds {
            "all bounds hold"
        } else {
            "A BOUND IS BROKEN"
        }
    );
    Ok(holds)
}

/// Somebody who is logged in, and a probe.
struct Other {
    client: Client,
    internal: Client,
    gateway_token: String,
    tokens: tests::visitor::Tokens,
}

impl Other {
    fn new(server: &Server, owner: &Visitor) -> Result<Self, Fault> {
        let client = server.client()?;
        let path = server.state().join("gateway.token");
        let token = std::fs::read_to_string(&path).map_err(Fault::while_doing(path.display()))?;
        Ok(Self {
            tokens: owner.login(&client)?,
            client,
            internal: Client::new(server.internal)?,
            gateway_token: token.trim().to_owned(),
        })
    }

    /// One of each, and the time that it took.
    fn calls(&mut self, times: &mut Times) -> Result<(), Fault> {
        let time = |watch: Stopwatch| watch.elapsed().as_secs_f64() * 1e6;
        let watch = Stopwatch::start();
        self.tokens = self.tokens.refresh(&self.client)?;
        times.refreshes.push(time(watch));
        let path = "/gateway/v1/revocations?v=1&gateway=0123456789abcdef0123456789abcdef&after=0&hold=0&staleness=60";
        let watch = Stopwatch::start();
        let poll = self.internal.get(path).bearer(&self.gateway_token).send()?;
        poll.expect(200, "a poll")?;
        times.polls.push(time(watch));
        let watch = Stopwatch::start();
        self.internal
            .get("/healthz")
            .send()?
            .expect(200, "health")?;
        times.health.push(time(watch));
        thread::sleep(PAUSE);
        Ok(())
    }
}

/// The times of calls during the bursts, and what became of the logins.
fn under_load(server: &Server, other: &mut Other) -> Result<(Times, BTreeMap<u16, usize>), Fault> {
    let mut times = Times::default();
    let mut statuses = BTreeMap::new();
    for burst in 0..BURSTS {
        let is_over = AtomicBool::new(false);
        let start = Barrier::new(LOGINS);
        let (is_over, start) = (&is_over, &start);
        let outcome: Result<Vec<u16>, Fault> = thread::scope(|scope| {
            let attack = scope.spawn(move || {
                let logins: Vec<_> = (0..LOGINS)
                    .map(|number| {
                        scope.spawn(move || {
                            // The attackers are elsewhere: what they calculate is not to be taken from the companion.
                            rustix::process::setpriority_process(None, 19).expect("a priority");
                            start.wait();
                            login(server.public, burst, number)
                        })
                    })
                    .collect();
                let ended = logins
                    .into_iter()
                    .map(|login| login.join().expect("a login"));
                let statuses = ended.collect();
                is_over.store(true, Ordering::SeqCst);
                statuses
            });
            while !is_over.load(Ordering::SeqCst) {
                other.calls(&mut times)?;
            }
            attack.join().expect("an attack")
        });
        for status in outcome? {
            *statuses.entry(status).or_insert(0) += 1;
        }
    }
    Ok((times, statuses))
}

/// A login of somebody whom nobody knows, as bytes: the less the attack itself takes of the machine, the better.
fn login(port: u16, burst: usize, number: usize) -> Result<u16, Fault> {
    let body = format!(
        r#"{{"email":"nobody{burst}x{number}@example.com","password":"a wrong guess at it"}}"#
    );
    let request = format!(
        "POST /auth/v1/sessions HTTP/1.1\r\nhost: companion\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    wire::ask(port, request.as_bytes())
}
