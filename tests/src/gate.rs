//! Envoy on the shipped configuration, with the filter configuration of a test, in front of the example app and of a stand-in for the
//! companion. Tokens are issued here, so any token can be sent.

use std::fs;

use serde_json::Value;

use crate::app::App;
use crate::fault::Fault;
use crate::issuer::{Issuer, issuer};
use crate::place;
use crate::ports::Ports;
use crate::rewrite::with_filter_configuration;
use crate::stack::{Setup, Stack};
use crate::stand_in::{Answer, Call, GATEWAY_TOKEN, StandIn};

/// A running gate; dropping it ends all its parts.
pub struct Gate {
    /// Envoy, two workers, and the example app.
    pub stack: Stack,
    /// Answers Envoy's polls.
    pub companion: StandIn,
    /// What is routed to the companion's public listener.
    pub auth: App,
}

impl Gate {
    /// Starts all parts with this filter configuration and waits until the gate is synced; `configuration` must have the shipped `ready_path`.
    ///
    /// # Errors
    /// When a part is missing, does not start, or is not ready in time.
    pub fn start(configuration: &Value) -> Result<Self, Fault> {
        let mut gate = Self::start_with(configuration, &issuer(), |_| Answer::Right)?;
        gate.stack.await_ready()?;
        Ok(gate)
    }

    /// Starts all parts with a stand-in of that issuer and behaviour, and waits until Envoy answers, whatever it answers.
    ///
    /// # Errors
    /// As [`Gate::start`].
    pub fn start_with(
        configuration: &Value,
        issuer: &Issuer,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let shipped = place::shipped_configuration()?;
        Self::start_changed(&shipped, configuration, issuer, behaviour)
    }

    /// The same on another Envoy configuration than the shipped one.
    ///
    /// # Errors
    /// As [`Gate::start`].
    pub fn start_changed(
        envoy: &str,
        configuration: &Value,
        issuer: &Issuer,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let mut setup = Setup::on(Ports::free()?);
        setup.configuration = Some(with_filter_configuration(envoy, configuration)?);
        Self::start_on(setup, issuer, behaviour)
    }

    /// The same in this setup, whose Envoy configuration holds that of the filter already.
    ///
    /// # Errors
    /// As [`Gate::start`].
    pub fn start_on(
        setup: Setup,
        issuer: &Issuer,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let companion = StandIn::start_with(setup.ports.internal, issuer, behaviour)?;
        // It shows what reached it, as the app does.
        let auth = App::start(setup.ports.companion)?;
        let mut stack = Stack::prepare(setup)?;
        let token = stack.folder().join("gateway.token");
        fs::write(&token, GATEWAY_TOKEN).map_err(Fault::while_doing(token.display()))?;
        stack.start_envoy()?;
        Ok(Self {
            stack,
            companion,
            auth,
        })
    }
}
