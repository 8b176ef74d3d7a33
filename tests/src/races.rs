//! Clients that race on the refresh tokens of one session, and what each of them was answered (security requirements D3).

use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;

use serde_json::json;

use crate::client::{Answer, Client};
use crate::dice::Dice;
use crate::fault::Fault;
use crate::history::{Call, Record, Reply};
use crate::visitor::Tokens;
use crate::watch::Stopwatch;

/// Calls of each client.
const CALLS: usize = 4;
/// A client chooses among so many of the newest tokens that anybody has.
const KNOWN: usize = 3;

/// A refresh token that somebody has.
#[derive(Clone)]
struct Known {
    generation: u64,
    token: String,
}

/// How wild a race is, in so many of a hundred calls.
struct Temper {
    logouts: u64,
    forged: u64,
    /// The newest token, and not one of those before it.
    newest: u64,
}

impl Temper {
    /// Some races end soon, others go on for long.
    fn draw(dice: &mut Dice) -> Self {
        Self {
            logouts: dice.one_of(&[0, 3, 10]),
            forged: 5,
            newest: dice.one_of(&[33, 80, 95]),
        }
    }
}

/// One client for each door races on the session, all from the same moment; then somebody comes through the last door, alone, with the
/// newest token, twice, and is answered. What was called and answered, in microseconds of `watch`.
///
/// # Errors
/// When a token has not the form of one.
pub fn race(
    doors: &[Client],
    alone: &Client,
    session: &Tokens,
    watch: Stopwatch,
    seed: u64,
) -> Result<Vec<Record>, Fault> {
    let known = Mutex::new(vec![known(session.refresh.clone())?]);
    let start = Barrier::new(doors.len());
    let mut dice = Dice::new(seed);
    let temper = Temper::draw(&mut dice);
    let seeds: Vec<_> = doors.iter().map(|_| dice.below(u64::MAX)).collect();
    let run = |door: &Client, seed: u64| -> Result<Vec<Record>, Fault> {
        let mut dice = Dice::new(seed);
        start.wait();
        (0..CALLS)
            .map(|_| {
                let (call, token) = choose(&known, &temper, &mut dice);
                make(door, call, &token, watch, &known)
            })
            .collect()
    };
    let (run, doors) = (&run, doors.iter().zip(seeds));
    let histories: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = doors
            .map(|(door, seed)| scope.spawn(move || run(door, seed)))
            .collect();
        let ended = clients.into_iter().map(|client| client.join());
        ended
            .map(|history| history.unwrap_or_else(|_| Err(Fault::new("a client panicked"))))
            .collect()
    });
    let mut records = Vec::new();
    for history in histories {
        records.extend(history?);
    }
    for _ in 0..2 {
        let Known { generation, token } = newest(&known);
        let call = Call::Refresh { generation };
        let mut record = make(alone, call, &token, watch, &known)?;
        if record.reply == Reply::Lost {
            record.reply = Reply::Failed(0);
        }
        records.push(record);
    }
    Ok(records)
}

fn choose(known: &Mutex<Vec<Known>>, temper: &Temper, dice: &mut Dice) -> (Call, String) {
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let back = if dice.in_hundred(temper.newest) {
        0
    } else {
        usize::try_from(dice.below(3)).unwrap_or_default()
    };
    let at = known.len().saturating_sub(1 + back.min(KNOWN - 1));
    let Known { generation, token } = &known[at];
    if dice.in_hundred(temper.logouts) {
        return (Call::Logout, token.clone());
    }
    if dice.in_hundred(temper.forged) {
        return (Call::Forged, forged(token));
    }
    (
        Call::Refresh {
            generation: *generation,
        },
        token.clone(),
    )
}

/// With another last character but one, and so another MAC.
fn forged(token: &str) -> String {
    let (head, tail) = token.split_at(token.len().saturating_sub(2));
    let other = if tail.starts_with('A') { 'B' } else { 'A' };
    let last = tail.chars().last().unwrap_or('A');
    format!("{head}{other}{last}")
}

fn newest(known: &Mutex<Vec<Known>>) -> Known {
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known[known.len() - 1].clone()
}

fn make(
    door: &Client,
    call: Call,
    token: &str,
    watch: Stopwatch,
    known_to_all: &Mutex<Vec<Known>>,
) -> Result<Record, Fault> {
    let body = json!({ "refresh_token": token });
    let request = match call {
        Call::Refresh { .. } | Call::Forged => door.post("/auth/v1/sessions/refresh"),
        Call::Logout => door.delete("/auth/v1/sessions/current"),
    };
    let called = microseconds(watch);
    let answer = request.json(&body).send();
    let returned = microseconds(watch);
    let reply = match answer {
        Err(_) => Reply::Lost,
        Ok(answer) => reply(call, &answer)?,
    };
    if let Reply::Rotated { token, .. } = &reply {
        let new = known(token.clone())?;
        let mut known = known_to_all.lock().unwrap_or_else(PoisonError::into_inner);
        // In the order of generations, each once.
        if known
            .last()
            .is_some_and(|last| last.generation < new.generation)
        {
            known.push(new);
        }
    }
    Ok(Record {
        call,
        reply,
        called,
        returned,
    })
}

fn reply(call: Call, answer: &Answer) -> Result<Reply, Fault> {
    Ok(match (call, answer.status) {
        (Call::Refresh { .. }, 200) => {
            let Known { generation, token } = known(answer.string("/refresh_token"))?;
            Reply::Rotated { generation, token }
        }
        (Call::Refresh { .. } | Call::Forged, 401) => Reply::Denied,
        (Call::Logout, 200 | 202) => Reply::Ended,
        (_, status) => Reply::Failed(status),
    })
}

/// Reads the generation in a refresh token (design, section 10).
fn known(token: String) -> Result<Known, Fault> {
    let generation = token.split('.').nth(1).and_then(|text| text.parse().ok());
    let generation =
        generation.ok_or_else(|| Fault::new("a refresh token without a generation"))?;
    Ok(Known { generation, token })
}

fn microseconds(watch: Stopwatch) -> u64 {
    u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX)
}
