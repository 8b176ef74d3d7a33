//! The table on Envoy with two workers and the shipped configuration, over HTTP/1.1 and HTTP/2. There is one Envoy for each filter
//! configuration and state of the feed; they run side by side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use decisions::{Configuration, Outcome, Row, Run, State, rows, sessions_that_ended};
use serde_json::Value;
use tests::app::Headers;
use tests::fault::Fault;
use tests::gate::Gate;
use tests::issuer::issuer;
use tests::stand_in::{Answer, Asked};
use tests::watch::{Stopwatch, unix_seconds};
use tests::wire::{self, exchange_one};
use tests::wire2::{Http2, Stream};
use tests::workers::{connections, stats};
use token::UnixTime;

/// Until a state that nothing refreshes any more is more than 5 s old; the last poll may have been held for 1 s.
const AGEING: Duration = Duration::from_millis(7_500);
/// For how long the tokens of rows are used; they hold for 10 s.
const LIFE: Duration = Duration::from_secs(5);
/// How many callers a gate has at once. Envoy takes a second to close a connection that broke the protocol.
const CALLERS: usize = 16;
/// Tells at the app which row it was.
const MARK: &str = "x-row";

/// What the rows of one configuration and state came to.
struct Played {
    faults: Vec<String>,
    http1: Duration,
    http2: Duration,
}

fn gate(configuration: Configuration, state: State) -> Result<Gate, Fault> {
    let document = configuration.document();
    if state == State::Unsynced {
        return Gate::start_with(&document, &issuer(), |call| match call.asked {
            Asked::Poll(_) => Answer::Status(503),
            Asked::Ready | Asked::Keys | Asked::Other => Answer::Right,
        });
    }
    let gate = Gate::start(&document)?;
    for session in sessions_that_ended() {
        let number = gate.companion.revoke(session);
        gate.companion.await_acknowledged(number)?;
    }
    if state == State::Aged {
        gate.companion.behave(|call| match call.asked {
            Asked::Poll(_) => Answer::Never,
            Asked::Ready | Asked::Keys | Asked::Other => Answer::Right,
        });
        thread::sleep(AGEING);
    }
    Ok(gate)
}

/// What reached the app or the companion, or else what was answered.
fn outcome(gate: &Gate, mark: &str, answer: Option<wire::Answer>) -> Outcome {
    let apps = [gate.stack.app(), &gate.auth];
    let seen = apps.iter().find_map(|app| app.seen_with(MARK, mark));
    match (seen, answer) {
        (Some(headers), _) => Outcome::App {
            headers,
            trailers: None,
        },
        (None, Some(answer)) => Outcome::Answer {
            status: answer.status,
            code: code(&answer.body),
            headers: answer.headers,
        },
        (None, None) => Outcome::Broken("no answer".to_owned()),
    }
}

/// `code` of the problem document, which has no line breaks and may come in chunks.
fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let document = text.lines().find(|line| line.starts_with('{'));
    let document: Value = document
        .and_then(|line| serde_json::from_str(line).ok())
        .unwrap_or_default();
    document["code"].as_str().unwrap_or_default().to_owned()
}

fn over_http1(gate: &Gate, row: &Row, mark: &str) -> Result<Outcome, Fault> {
    let request = row.request.clone().header(MARK, mark);
    let is_head = request.method == "HEAD";
    let answer = exchange_one(gate.stack.ports().gateway, &request.http1(), is_head)?;
    Ok(outcome(gate, mark, answer))
}

fn over_http2(gate: &Gate, client: &Http2, row: &Row, mark: &str) -> Result<Outcome, Fault> {
    let request = row.request.clone().header(MARK, mark);
    let lower = |(name, value): (Vec<u8>, Vec<u8>)| (name.to_ascii_lowercase(), value);
    let trailers: Headers = request.trailers.iter().cloned().map(lower).collect();
    let answer = client.exchange(&Stream {
        fields: request.fields(),
        body: request.body.clone(),
        trailers,
    })?;
    Ok(match answer {
        Ok(answer) => outcome(gate, mark, Some(answer)),
        Err(error) => match outcome(gate, mark, None) {
            Outcome::Broken(_) => Outcome::Broken(error.to_string()),
            seen => seen,
        },
    })
}

/// Rows with tokens that are good now.
struct Table(Mutex<(Stopwatch, Arc<Vec<Row>>)>);

impl Table {
    fn new() -> Self {
        Self(Mutex::new(Self::make()))
    }

    fn make() -> (Stopwatch, Arc<Vec<Row>>) {
        let now = UnixTime::from_seconds(unix_seconds());
        (Stopwatch::start(), Arc::new(rows(now)))
    }

    fn rows(&self) -> Arc<Vec<Row>> {
        let mut made = self.0.lock().unwrap();
        if made.0.elapsed() > LIFE {
            *made = Self::make();
        }
        Arc::clone(&made.1)
    }
}

/// Sends the rows of these numbers one after the other; what is wrong with what became of them.
fn call<'a>(
    gate: &Gate,
    run: Run,
    table: &Table,
    numbers: impl Iterator<Item = &'a usize>,
) -> Vec<String> {
    let client = Http2::new(gate.stack.ports().gateway).unwrap();
    let play = |number: &usize| {
        let rows = table.rows();
        let (row, mark) = (&rows[*number], format!("{run:?}-{number}"));
        let outcome = match run {
            Run::Http2 => over_http2(gate, &client, row, &mark),
            Run::Http1 | Run::Native | Run::Module => over_http1(gate, row, &mark),
        };
        match outcome {
            Ok(outcome) => row.fault(run, &outcome),
            // No end within the patience of the caller is no answer that a row may want.
            Err(fault) => Some(format!("{run:?}: {}: {fault}", row.name)),
        }
    };
    numbers.filter_map(play).collect()
}

fn play(
    (configuration, state): (Configuration, State),
    table: &Table,
    numbers: &[usize],
) -> Result<Played, Fault> {
    let gate = gate(configuration, state)?;
    let mut faults = Vec::new();
    let mut play_over = |run: Run| {
        let watch = Stopwatch::start();
        thread::scope(|scope| {
            let share = |first: usize| numbers.iter().skip(first).step_by(CALLERS);
            let callers: Vec<_> = (0..CALLERS)
                .map(|first| {
                    let (gate, share) = (&gate, share(first));
                    scope.spawn(move || call(gate, run, table, share))
                })
                .collect();
            for caller in callers {
                faults.extend(caller.join().expect("a caller does not panic"));
            }
        });
        watch.elapsed()
    };
    let (http1, http2) = (play_over(Run::Http1), play_over(Run::Http2));
    faults.extend(after(&gate, numbers.len())?);
    Ok(Played {
        faults,
        http1,
        http2,
    })
}

/// Both workers had their share, no VM has failed, and no token stands in the log.
fn after(gate: &Gate, rows: usize) -> Result<Vec<String>, Fault> {
    let mut faults = Vec::new();
    let shares = connections(gate.stack.ports())?;
    // Where there are few rows, chance may give them all to one.
    let is_shared = shares.len() == 2 && shares.values().all(|count| *count > 0);
    if rows > 100 && !is_shared {
        faults.push(format!("the workers' connections: {shares:?}"));
    }
    let failed: Vec<_> = stats(gate.stack.ports(), "wasm")?
        .into_iter()
        .filter(|(name, count)| {
            let is_failure = ["reload", "fail", "crash", "error"];
            let is_ours = !name.starts_with("wasmcustom");
            *count > 0 && is_ours && is_failure.iter().any(|word| name.contains(word))
        })
        .collect();
    if !failed.is_empty() {
        faults.push(format!("VMs have failed: {failed:?}"));
    }
    let log = gate
        .stack
        .envoy()
        .map(|envoy| envoy.log())
        .unwrap_or_default();
    for word in ["panicked", "Bearer ey", "__Host-access=ey"] {
        if log.contains(word) {
            faults.push(format!("Envoy's log says {word:?}"));
        }
    }
    Ok(faults)
}

/// TV-*, FR-*, CK-*: every row of the decision table on Envoy, with the result that the rules and the module give, or the marked one of
/// Envoy's own. A row counts as passed when the request is at the app, and as refused when it never was there.
#[test]
fn the_decision_table_holds_on_envoy_over_both_protocols() {
    let table = Table::new();
    let rows = table.rows();
    let mut places = BTreeMap::<_, Vec<usize>>::new();
    for (number, row) in rows.iter().enumerate() {
        let place = (row.configuration, row.state);
        places.entry(place).or_default().push(number);
    }
    let played: Vec<_> = thread::scope(|scope| {
        let players: Vec<_> = places
            .iter()
            .map(|(place, numbers)| scope.spawn(|| play(*place, &table, numbers)))
            .collect();
        let played = players.into_iter().map(|player| player.join().unwrap());
        played.collect::<Result<_, _>>().unwrap()
    });
    let own = rows.iter().filter(|row| row.is_envoys_own()).count();
    // They run side by side; the one with nearly all rows takes longest.
    let longest = |time: fn(&Played) -> Duration| played.iter().map(time).max().unwrap();
    println!(
        "{} rows, {own} of them Envoy's own; HTTP/1.1 {:?}, HTTP/2 {:?}",
        rows.len(),
        longest(|played| played.http1),
        longest(|played| played.http2),
    );
    let faults: Vec<_> = played.iter().flat_map(|played| &played.faults).collect();
    let text: Vec<_> = faults.iter().map(|fault| fault.as_str()).collect();
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        rows.len(),
        text.join("\n")
    );
}
