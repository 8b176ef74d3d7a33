//! What goes wrong.

use std::thread;
use std::time::Duration;

use super::scene::Scene;
use crate::fault::Fault;
use crate::listeners;
use crate::soak::probes::Receipt;
use crate::visitor::Tokens;
use crate::watch::wait_for;

const FREEZE: Duration = Duration::from_secs(2);
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
        for place in ["request", "holder"] {
            for gateway in 0..2 {
                let wish = stack.client_of(gateway)?.get("/orders");
                let wish = wish.header("x-latchkey-trap", place);
                wish.bearer(&another.access).send()?;
            }
        }
        Ok(())
    })
}

pub(super) fn the_companion_freezes(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    scene.log_out_during(tokens, |stack| {
        stack.signal_replica(0, "STOP");
        thread::sleep(FREEZE);
        stack.signal_replica(0, "CONT");
        Ok(())
    })
}

pub(super) fn the_other_freezes(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    scene.log_out_during(tokens, |stack| {
        stack.signal_replica(1, "STOP");
        thread::sleep(FREEZE);
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
        cable.cut();
        thread::sleep(FREEZE);
        cable.mend();
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
    thread::sleep(FREEZE);
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

/// With its last listener Envoy forgets what was revoked.
pub(super) fn the_listener_goes(scene: &mut Scene, tokens: &Tokens) -> Result<Receipt, Fault> {
    let Some(file) = scene.listeners.take() else {
        return Err(Fault::new("the listener comes from no file"));
    };
    let receipt = scene.log_out_during(tokens, |stack| {
        let envoy = stack.ports();
        file.publish(envoy, &[])?;
        listeners::await_drained(envoy)?;
        wait_for("the end of all VMs", PATIENCE, || {
            Ok((listeners::count(envoy, "wasm.wasm_vm_count")? == 0).then_some(()))
        })?;
        file.publish(envoy, &[file.listener(envoy.gateway, &envoy.issuer())])
            .map(drop)
    });
    scene.listeners = Some(file);
    receipt
}
