//! Between an Envoy and its companion somebody misbehaves in every way that a network can (D2) while a session is revoked, or the key that
//! signed its tokens. Whatever he does: after a receipt with status 200 nobody gets in, after one with 202 nobody gets in beyond its
//! `effective_by`, and once all is well the gate is as it was.

use std::fs;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use companion::clock::Clock;
use companion::tokens::rfc3339;
use serde_json::Value;

use super::stacks::{impatient, roomy};
use super::table::Table;
use crate::client::{Answer, Client};
use crate::fault::Fault;
use crate::middleman::{Middleman, Mischief};
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
    (
        "no key set",
        Mischief::RefusePath("/gateway/v1/keys"),
        false,
    ),
];

pub(super) fn run(store: Store, rounds: usize, table: &mut Table) -> Result<(), Fault> {
    // Each on a stage of its own; mostly they wait.
    let [logouts, removals] = thread::scope(|scope| {
        REVOCATIONS
            .map(|(what, revoke)| scope.spawn(move || act_all(what, revoke, rounds)))
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
fn act_all(what: &str, revoke: Revoke, rounds: usize) -> Result<Vec<(String, String)>, Fault> {
    let stage = Stage::set()?;
    let mut seen = Vec::new();
    for (name, mischief, starves) in MISCHIEFS {
        for _ in 0..rounds {
            let name = format!("{what}: {name}");
            let figure = stage.act(mischief, starves, revoke);
            let figure = figure.map_err(Fault::while_doing(&name))?;
            seen.push((name, figure));
        }
    }
    stage.stack.stop()?;
    Ok(seen)
}

/// What is revoked, and how.
type Revoke = fn(&Stage, &Tokens) -> Result<Answer, Fault>;

const REVOCATIONS: [(&str, Revoke); 2] = [
    ("logout", |stage, tokens| tokens.log_out(&stage.companion)),
    ("key removed", Stage::remove_key),
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
        setup.configuration = Some(impatient(STALENESS)?);
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
    fn act(&self, mischief: Mischief, starves: bool, revoke: Revoke) -> Result<String, Fault> {
        self.heal()?;
        let alive = self.bob.login(&self.companion)?;
        let tokens = self.alice.login(&self.companion)?;
        tokens.call(&self.door)?.expect(200, "a call before")?;
        self.middleman.set(mischief);
        // The poll that he found under way has been answered by then.
        thread::sleep(HOLD);
        let watch = Stopwatch::start();
        let answer = revoke(self, &tokens)?;
        let receipt = watch.elapsed();
        let effective_by = answer.string("/revocation/effective_by");
        let is_proven = answer.status == 200;
        if !is_proven {
            answer.expect(202, "a revocation")?;
        }
        let denied = self.watch_denial(&tokens, watch, is_proven, &effective_by)?;
        let of_alive = alive.call(&self.door)?.status;
        if starves && of_alive != 503 {
            return Err(Fault::new(format!(
                "without word of the companion somebody was answered {of_alive}"
            )));
        }
        self.must_have_acted(mischief)?;
        self.heal()?;
        // It is revoked, and not merely denied because nobody knows.
        tokens
            .call(&self.door)?
            .expect(401, "a call after all is well again")?;
        Ok(if is_proven {
            format!("200 in {receipt:.1?}")
        } else {
            format!("202, denied after {denied:.1?}")
        })
    }

    /// Calls until the promised moment has passed and somebody was denied, or until the state must be stale and a while beyond. Gives the
    /// time of the first denial.
    fn watch_denial(
        &self,
        tokens: &Tokens,
        watch: Stopwatch,
        is_proven: bool,
        effective_by: &str,
    ) -> Result<Duration, Fault> {
        let clock = Clock::system();
        let bound = Duration::from_secs(STALENESS) + MARGIN;
        let mut denied = None;
        while watch.elapsed() < bound + MARGIN {
            let sent = rfc3339(clock.now());
            let at = watch.elapsed();
            let status = tokens.call(&self.door)?.status;
            match status {
                // Moments in this form are in the order of their texts.
                200 if is_proven || sent.as_str() > effective_by => {
                    return Err(Fault::new(format!(
                        "accepted at {sent}, with a receipt for {effective_by}"
                    )));
                }
                200 if denied.is_some() => return Err(Fault::new("accepted after a denial")),
                200 if at > bound => {
                    return Err(Fault::new("accepted although the state must be stale"));
                }
                200 => {}
                401 | 503 => {
                    denied.get_or_insert(at);
                    let is_past = rfc3339(clock.now().minus(MARGIN)).as_str() > effective_by;
                    if is_past && at > HOLD {
                        break;
                    }
                }
                _ => return Err(Fault::new(format!("a call was answered with {status}"))),
            }
            thread::sleep(Duration::from_millis(10));
        }
        denied.ok_or_else(|| Fault::new("never denied"))
    }

    /// He has done to somebody what he was told.
    fn must_have_acted(&self, mischief: Mischief) -> Result<(), Fault> {
        let he = &self.middleman;
        let has_acted = match mischief {
            Mischief::CutReplies { .. } => he.replies_cut() > 0,
            Mischief::Replay | Mischief::ReplayOldest => he.replays() > 0,
            Mischief::Duplicate => he.duplicates() > 0,
            _ => true,
        };
        if has_acted {
            Ok(())
        } else {
            Err(Fault::new(format!("the middleman did no {mischief:?}")))
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
