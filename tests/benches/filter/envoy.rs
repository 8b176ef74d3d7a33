//! Real Envoy with the filter and without, side by side: the processor time that a request costs its process.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use tests::fault::Fault;
use tests::place::shipped_configuration;
use tests::ports::Ports;
use tests::stack::{Setup, Stack};
use tests::visitor::Visitor;

const ROUNDS: usize = 6;
const REQUESTS: usize = 1_500;
/// What `/proc/<pid>/stat` counts in: Linux always shows hundredths of a second.
const MICROSECONDS_PER_TICK: u64 = 10_000;

struct Case {
    name: &'static str,
    path: &'static str,
    with_filter: bool,
    token: Option<String>,
    ticks: u64,
}

pub(crate) fn run() -> Result<(), Fault> {
    let with = Stack::start(Setup::on(Ports::free()?))?;
    let client = with.client()?;
    let alice = Visitor::named("alice");
    alice.register(&client, &with.mailbox())?;
    let token = alice.login(&client)?.access;
    let mut without = Stack::prepare(Setup {
        configuration: Some(without_filter()?),
        ..Setup::on(Ports::free()?)
    })?;
    without.start_envoy()?;

    let other = alice.login(&client)?.access;
    let parts = token.rsplit_once('.').zip(other.rsplit_once('.'));
    let ((signed, _), (_, signature)) = parts.ok_or_else(|| Fault::new("a token without parts"))?;
    let forged = format!("{signed}.{signature}");
    let case = |name, path, with_filter, token| Case {
        name,
        path,
        with_filter,
        token,
        ticks: 0,
    };
    let mut cases = [
        case(
            "without the filter, a token",
            "/orders",
            false,
            Some(token.clone()),
        ),
        case("with the filter, no token needed", "/public", true, None),
        case(
            "with the filter, a token seen before",
            "/orders",
            true,
            Some(token.clone()),
        ),
        case("with the filter, no token: 401", "/orders", true, None),
        case(
            "with the filter, another token's signature: 401",
            "/orders",
            true,
            Some(forged),
        ),
        case(
            "with the filter, 8 KiB of letters: 401",
            "/orders",
            true,
            Some("a".repeat(8 * 1024)),
        ),
        case(
            "with the filter, 8 KiB of dots: 401",
            "/orders",
            true,
            Some(".".repeat(8 * 1024)),
        ),
    ];
    for _ in 0..ROUNDS {
        for case in &mut cases {
            let stack = if case.with_filter { &with } else { &without };
            let before = ticks(stack)?;
            send(stack.ports().gateway, case.path, case.token.as_ref())?;
            case.ticks += ticks(stack)? - before;
        }
    }
    print(&cases);
    Ok(())
}

fn print(cases: &[Case]) {
    println!(
        "\nReal Envoy: processor time of its process per request ({} requests each)\n",
        ROUNDS * REQUESTS
    );
    println!("{:<52} {:>10} {:>8}", "", "µs", "ratio");
    for case in cases {
        let total = case.ticks * MICROSECONDS_PER_TICK;
        #[expect(clippy::cast_precision_loss, reason = "seconds of processor time")]
        let (each, ratio) = (
            total as f64 / (ROUNDS * REQUESTS) as f64,
            case.ticks as f64 / cases[0].ticks as f64,
        );
        println!("{:<52} {each:>10.1} {ratio:>8.2}", case.name);
    }
}

/// The shipped configuration without the filter and its interlock.
fn without_filter() -> Result<String, Fault> {
    let shipped = shipped_configuration()?;
    let parts = shipped
        .split_once("          - name: latchkey\n")
        .and_then(|(before, rest)| {
            let (_, after) = rest.split_once("          - name: envoy.filters.http.router\n")?;
            Some(format!(
                "{before}          - name: envoy.filters.http.router\n{after}"
            ))
        });
    parts.ok_or_else(|| Fault::new("envoy.yaml has no filter before the router"))
}

/// User and system time of Envoy so far.
fn ticks(stack: &Stack) -> Result<u64, Fault> {
    let part = stack.envoy().ok_or_else(|| Fault::new("no Envoy runs"))?;
    let path = format!("/proc/{}/stat", part.id());
    let text = fs::read_to_string(&path).map_err(Fault::while_doing(&path))?;
    // The name of the program, in parentheses, may hold blanks; fields 14 and 15 of proc_pid_stat(5).
    let (_, fields) = text
        .rsplit_once(") ")
        .ok_or_else(|| Fault::new("an odd stat"))?;
    let times = fields.split(' ').skip(11).take(2);
    Ok(times.filter_map(|time| time.parse::<u64>().ok()).sum())
}

/// Requests one after the other over one connection.
fn send(port: u16, path: &str, token: Option<&String>) -> Result<(), Fault> {
    let fault = |error: std::io::Error| Fault::new(format!("port {port}: {error}"));
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(fault)?;
    stream.set_nodelay(true).map_err(fault)?;
    let mut reader = BufReader::new(stream);
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        bearer.unwrap_or_default()
    );
    for _ in 0..REQUESTS {
        reader
            .get_mut()
            .write_all(request.as_bytes())
            .map_err(fault)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).map_err(fault)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.parse().map_err(Fault::while_doing("a length"))?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).map_err(fault)?;
    }
    Ok(())
}
