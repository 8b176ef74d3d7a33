//! What goes wrong.

use std::thread;
use std::time::Duration;

use super::scene::{STALENESS, Scene};
use crate::fault::Fault;
use crate::listeners;
use crate::middleman::Mischief;
use crate::soak::probes::Receipt;
use crate::stack::{READY_PATH, Stack};
use crate::traps;
use crate::visitor::Tokens;
use crate::watch::wait_for;

/// Longer than a gate goes without a companion, with what its clock and this machine need.
const OUTAGE: Duration = Duration::from_secs(STALENESS + 3);
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn nothing(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    scene.log_out(tokens, 0)
}

pub(super) fn an_envoy_returns(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    scene.log_out_during(tokens, |stack| {
        stack.kill_gateway(1);
        stack.start_gateway(1)
    })
}

pub(super) fn an_envoy_joins(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    scene.log_out_during(tokens, |stack| stack.start_gateway(2))
}

/// Two requests at each gateway wish for it: one traps itself, the other lets the subscriber trap.
pub(super) fn vms_trap(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    let another = scene.bob.login(&scene.stack.client_of_replica(0)?)?;
    scene.log_out_during(tokens, |stack| {
        let before = [traps_of(stack, 0)?, traps_of(stack, 1)?];
        for place in ["request", "holder"] {
            for gateway in 0..2 {
                let wish = stack.client_of(gateway)?.get("/orders");
                let wish = wish.header("x-latchkey-trap", place);
                wish.bearer(&another.access).send()?;
            }
        }
        for (gateway, before) in before.into_iter().enumerate() {
            wait_for("VMs to trap", PATIENCE, || {
                Ok((traps_of(stack, gateway)? > before).then_some(()))
            })?;
        }
        Ok(())
    })
}

fn traps_of(stack: &Stack, gateway: usize) -> Result<usize, Fault> {
    let envoy = stack.gateway(gateway);
    let envoy = envoy.ok_or_else(|| Fault::new("an Envoy is missing"))?;
    Ok(traps::failed_calls(&envoy.log()).len())
}

pub(super) fn the_companion_freezes(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    scene.log_out_during(tokens, |stack| {
        stack.signal_replica(0, "STOP");
        thread::sleep(OUTAGE);
        // With another companion they need not be.
        let are_stale = stack.replicas() > 1 || are_all_stale(stack)?;
        stack.signal_replica(0, "CONT");
        if are_stale {
            Ok(())
        } else {
            Err(Fault::new("a gate serves without word of its companion"))
        }
    })
}

/// Whether no gate that runs lets anybody in, because its state is too old.
fn are_all_stale(stack: &Stack) -> Result<bool, Fault> {
    let running = (0..stack.gateways()).filter(|number| stack.gateway(*number).is_some());
    for number in running {
        let ready = stack.client_of(number)?.get(READY_PATH).send()?;
        if ready.status != 503 {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn the_other_freezes(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    scene.log_out_during(tokens, |stack| {
        stack.signal_replica(1, "STOP");
        thread::sleep(OUTAGE);
        stack.signal_replica(1, "CONT");
        Ok(())
    })
}

/// It can read and write nothing, and says so; gateways go to the one that can.
pub(super) fn the_other_loses_its_database(
    scene: &mut Scene,
    tokens: &Tokens,
) -> Result<Receipt, Fault> {
    let Some(cable) = scene.cable.take() else {
        return Err(Fault::new("there is one companion"));
    };
    let receipt = scene.log_out_during(tokens, |stack| {
        cable.set(Mischief::Refuse);
        thread::sleep(OUTAGE);
        cable.set(Mischief::Pass);
        stack.await_replica(1)
    });
    scene.cable = Some(cable);
    receipt
}

pub(super) fn the_companion_restarted(
    scene: &mut Scene,
    tokens: &Tokens,
) -> Result<Receipt, Fault> {
    scene.stack.stop_replica(0);
    scene.stack.start_replica(0)?;
    scene.log_out(tokens, 0)
}

pub(super) fn the_companion_dies(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    let receipt = scene.log_out(tokens, 0);
    scene.stack.kill_replica(0);
    thread::sleep(OUTAGE);
    scene.stack.start_replica(0)?;
    receipt
}

/// The store knows nothing of the session then, nor of those that ended before it.
pub(super) fn the_store_is_put_back(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    scene.put_back()?;
    scene.log_out(tokens, 0)
}

/// Nothing is acknowledged while it is gone.
pub(super) fn the_database_dies(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    if let Some(server) = scene.stack.postgres_mut() {
        server.stop_immediate()?;
    }
    let companion = scene.stack.client_of_replica(0)?;
    tokens
        .log_out(&companion)?
        .expect(503, "a logout without a database")?;
    if let Some(server) = scene.stack.postgres_mut() {
        server.start_again()?;
    }
    wait_for("a logout that is acknowledged", PATIENCE, || {
        let answer = tokens.log_out(&companion)?;
        if answer.status == 503 {
            return Ok(None);
        }
        Receipt::of(&answer, scene.watch.elapsed()).map(Some)
    })
}

/// With its last listener Envoy forgets what was revoked. Somebody logs out before, or while nothing is known.
pub(super) fn the_listener_goes(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    let Some(file) = scene.listeners.take() else {
        return Err(Fault::new("the listener comes from no file"));
    };
    let envoy = scene.stack.ports();
    let remove = || -> Result<(), Fault> {
        file.publish(envoy, &[])?;
        listeners::await_drained(envoy)?;
        wait_for("the end of all VMs", PATIENCE, || {
            Ok((listeners::count(envoy, "wasm.wasm_vm_count")? == 0).then_some(()))
        })
    };
    let add = || file.publish(envoy, &[file.listener(envoy.gateway, &envoy.issuer())]);
    let receipt = if scene.dice.in_hundred(50) {
        scene.log_out_during(tokens, |_| {
            remove()?;
            add().map(drop)
        })
    } else {
        remove()?;
        let receipt = scene.log_out(tokens, 0);
        add()?;
        receipt
    };
    scene.listeners = Some(file);
    receipt
}
