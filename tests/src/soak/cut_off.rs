//! Between an Envoy and its companion somebody misbehaves in every way that a network can (D2) while a session is revoked, or the key that
//! signed its tokens. Whatever he does: after a receipt with status 200 nobody gets in, after one with 202 nobody gets in beyond its
//! `effective_by`, and once all is well the gate is as it was.

use std::fs;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::probes::{Breaches, Callers, Receipt, last_accepted};
use super::stacks::roomy;
use super::table::Table;
use crate::client::{Answer, Client};
use crate::fault::Fault;
use crate::middleman::{Middleman, Mischief};
use crate::place;
use crate::ports::{self, Ports};
use crate::setup::{Setup, Store};
use crate::stack::{READY_PATH, Stack};
use crate::visitor::{Tokens, Visitor};
use crate::watch::{Stopwatch, wait_for};

/// Of the gate, in seconds.
const STALENESS: u64 = 5;
/// The gate's polls are held for a third of that, and he sees the next one.
const HOLD: Duration = Duration::from_secs(2);
/// The gate looks at its clock a few times a second, and this machine is busy.
const MARGIN: Duration = Duration::from_secs(2);

const NO_KEYS: Mischief = Mischief::RefusePath("/gateway/v1/keys");

/// What he does, and whether the gate gets no word then.
const MISCHIEFS: [(&str, Mischief, bool); 13] = [
    ("nothing", Mischief::Pass, false),
    ("connections refused", Mischief::Refuse, true),
    ("a black hole", Mischief::BlackHole, true),
    ("half-open connections", Mischief::HalfOpen, true),
    (
        "one second each way",
        Mischief::Delay(Duration::from_secs(1)),
        false,
    ),
    (
        "answers a few bytes at a time",
        Mischief::Trickle {
            size: 40,
            pause: Duration::from_millis(20),
        },
        false,
    ),
    (
        "half of all answers lost",
        Mischief::CutReplies { one_in: 2, seed: 1 },
        false,
    ),
    ("answers cut in the middle", Mischief::Truncate, true),
    ("the newest answer again and again", Mischief::Replay, true),
    (
        "the oldest answer again and again",
        Mischief::ReplayOldest,
        true,
    ),
    ("every poll sent twice", Mischief::Duplicate, false),
    (
        "answers held until another overtakes them",
        Mischief::Reorder {
            patience: Duration::from_millis(300),
        },
        false,
    ),
    ("no key set", NO_KEYS, false),
];

pub(super) fn run(store: Store, rounds: usize, table: &mut Table) -> Result<(), Fault> {
    // Each on a stage of its own; mostly they wait.
    let [logouts, removals] = thread::scope(|scope| {
        REVOCATIONS
            .each_ref()
            .map(|revocation| scope.spawn(move || act_all(revocation, rounds)))
            .map(ScopedJoinHandle::join)
    });
    for seen in [logouts, removals] {
        let seen = seen.unwrap_or_else(|_| Err(Fault::new("a stage panicked")));
        for (name, figure) in seen? {
            table.add("cut-off", store, &name, figure);
        }
    }
    Ok(())
}

/// That revocation under all mischiefs.
fn act_all(revocation: &Revocation, rounds: usize) -> Result<Vec<(String, String)>, Fault> {
    let stage = Stage::set()?;
    let mut seen = Vec::new();
    for (name, mischief, starves) in MISCHIEFS {
        for _ in 0..rounds {
            let name = format!("{}: {name}", revocation.name);
            let figure = stage.act(mischief, starves, revocation);
            let figure = figure.map_err(Fault::while_doing(&name))?;
            seen.push((name, figure));
        }
    }
    stage.stack.stop()?;
    Ok(seen)
}

/// What is revoked.
struct Revocation {
    name: &'static str,
    changes_keys: bool,
    revoke: fn(&Stage, &Tokens) -> Result<Answer, Fault>,
}

static REVOCATIONS: [Revocation; 2] = [
    Revocation {
        name: "logout",
        changes_keys: false,
        revoke: |stage, tokens| tokens.log_out(&stage.companion),
    },
    Revocation {
        name: "key removed",
        changes_keys: true,
        revoke: Stage::remove_key,
    },
];

/// An Envoy that reaches its companion through a middleman.
struct Stage {
    stack: Stack,
    middleman: Middleman,
    alice: Visitor,
    bob: Visitor,
    companion: Client,
    operator: Client,
    door: Client,
}

impl Stage {
    fn set() -> Result<Self, Fault> {
        let ports = Ports::free()?;
        let internal = ports::free_port()?;
        let mut setup = roomy(Setup::on(ports));
        setup.configuration = Some(place::impatient_configuration(STALENESS)?);
        let setup = setup.companion("LATCHKEY_INTERNAL_LISTEN", &format!("127.0.0.1:{internal}"));
        let listener =
            ports::listen(ports.internal).map_err(Fault::while_doing("the middleman"))?;
        let middleman =
            Middleman::start_on(listener, internal).map_err(Fault::while_doing("the middleman"))?;
        let stack = Stack::start(setup)?;
        let (companion, door) = (stack.client_of_replica(0)?, stack.client()?);
        let [alice, bob] = ["alice", "bob"].map(Visitor::named);
        for visitor in [&alice, &bob] {
            visitor.register(&companion, &stack.mailbox())?;
        }
        Ok(Self {
            stack,
            middleman,
            alice,
            bob,
            companion,
            operator: Client::new(internal)?,
            door,
        })
    }

    /// Takes the key out at once that has signed the access token.
    fn remove_key(&self, tokens: &Tokens) -> Result<Answer, Fault> {
        let header = tokens.access.split('.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD
            .decode(header)
            .map_err(Fault::while_doing("the header of a token"))?;
        let header: Value =
            serde_json::from_slice(&header).map_err(Fault::while_doing("the header of a token"))?;
        let path = self.stack.folder().join("admin.token");
        let secret = fs::read_to_string(&path).map_err(Fault::while_doing(path.display()))?;
        let kid = header["kid"].as_str().unwrap_or_default();
        let remove = self.operator.delete(&format!("/admin/v1/keys/{kid}"));
        remove.bearer(secret.trim()).send()
    }

    /// One revocation under that mischief, and what came of it.
    fn act(
        &self,
        mischief: Mischief,
        starves: bool,
        revocation: &Revocation,
    ) -> Result<String, Fault> {
        self.heal()?;
        let alive = self.bob.login(&self.companion)?;
        let tokens = self.alice.login(&self.companion)?;
        let callers = Callers::of(&self.stack, [0])?;
        callers.get_in(&tokens)?;
        let done_before = self.done(mischief);
        self.middleman.set(mischief);
        // The poll that he found under way has been answered by then.
        thread::sleep(HOLD);
        let watch = Stopwatch::start();
        let bound = Duration::from_secs(STALENESS) + MARGIN;
        let (receipt, seen) = callers.probe(&tokens, watch, || {
            let answer = (revocation.revoke)(self, &tokens)?;
            let receipt = Receipt::of(&answer, watch.elapsed())?;
            if receipt.is_proven {
                thread::sleep(HOLD);
            } else {
                receipt.await_effect(0, bound)?;
            }
            Ok(receipt)
        })?;
        Breaches::among(&seen.probes, Some(&receipt)).must_be_none()?;
        let got_in = last_accepted(&seen.probes).unwrap_or_default();
        if got_in > bound || seen.last.iter().any(|status| !matches!(status, 401 | 503)) {
            return Err(Fault::new(format!(
                "got in at {got_in:?}, and in the end: {:?}",
                seen.last
            )));
        }
        let of_alive = alive.call(&self.door)?.status;
        if starves && of_alive != 503 {
            return Err(Fault::new(format!(
                "without word of the companion somebody was answered {of_alive}"
            )));
        }
        let is_idle = mischief == NO_KEYS && !revocation.changes_keys;
        if self.done(mischief) == done_before && !is_idle {
            return Err(Fault::new(format!("the middleman did no {mischief:?}")));
        }
        self.heal()?;
        // It is revoked, and not merely denied because nobody knows.
        callers.are_denied(&tokens)?;
        let status = if receipt.is_proven { 200 } else { 202 };
        let answered = receipt.answered;
        Ok(format!(
            "{status} in {answered:.0?}, last request in after {got_in:.0?}"
        ))
    }

    /// How often the middleman has done that, or somebody has come to him, where he does not count it.
    fn done(&self, mischief: Mischief) -> u64 {
        let he = &self.middleman;
        match mischief {
            Mischief::CutReplies { .. } => he.replies_cut(),
            Mischief::RefusePath(_) => he.requests_refused(),
            Mischief::Replay | Mischief::ReplayOldest => he.replays(),
            Mischief::Duplicate => he.duplicates(),
            Mischief::Refuse | Mischief::BlackHole => he.connections(),
            _ => he.requests(),
        }
    }

    fn heal(&self) -> Result<(), Fault> {
        self.middleman.set(Mischief::Pass);
        let what = "the gate to be fresh again";
        wait_for(what, Duration::from_secs(30), || {
            Ok((self.door.get(READY_PATH).send()?.status == 200).then_some(()))
        })
    }
}
