//! The parts of a stack one by one: what each is asked for, and how it is broken.

use std::path::Path;

use super::{Stack, end};
use crate::app::App;
use crate::client::Client;
use crate::fault::Fault;
use crate::mailbox::Mailbox;
use crate::part::Part;
use crate::ports::Ports;
use crate::postgres::Postgres;
use crate::setup::Store;

impl Stack {
    /// Companion 0, while it runs.
    pub fn companion(&self) -> Option<&Part> {
        self.replica(0)
    }

    /// That companion, while it runs.
    pub fn replica(&self, number: usize) -> Option<&Part> {
        self.companions.get(number)?.as_ref()
    }

    /// The example app.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// SIGKILL to companion 0.
    pub fn kill_companion(&mut self) {
        self.kill_replica(0);
    }

    /// SIGKILL to that companion.
    pub fn kill_replica(&mut self, number: usize) {
        self.end_replica(number, Part::kill);
    }

    /// SIGTERM to companion 0, and waits for its end.
    pub fn stop_companion(&mut self) {
        self.stop_replica(0);
    }

    /// SIGTERM to that companion, and waits for its end.
    pub fn stop_replica(&mut self, number: usize) {
        self.end_replica(number, Part::terminate);
    }

    /// Sends that companion the signal of that name, if it runs.
    pub fn signal_replica(&self, number: usize, signal: &str) {
        if let Some(part) = self.replica(number) {
            part.signal(signal);
        }
    }

    /// Envoy 0, while it runs.
    pub fn envoy(&self) -> Option<&Part> {
        self.gateway(0)
    }

    /// That Envoy, while it runs.
    pub fn gateway(&self, number: usize) -> Option<&Part> {
        self.envoys.get(number)?.as_ref()
    }

    /// SIGKILL to Envoy 0.
    pub fn kill_envoy(&mut self) {
        self.kill_gateway(0);
    }

    /// SIGKILL to that Envoy.
    pub fn kill_gateway(&mut self, number: usize) {
        self.end_gateway(number, Part::kill);
    }

    /// PostgreSQL, running or stopped, if this stack has one.
    pub const fn postgres(&self) -> Option<&Postgres> {
        self.postgres.as_ref()
    }

    /// The same, to stop it and start it again.
    pub const fn postgres_mut(&mut self) -> Option<&mut Postgres> {
        self.postgres.as_mut()
    }

    /// A caller of gateway 0.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client(&self) -> Result<Client, Fault> {
        self.client_of(0)
    }

    /// A caller of that gateway.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client_of(&self, gateway: usize) -> Result<Client, Fault> {
        Client::new(self.ports_of(gateway).gateway)
    }

    /// A caller of that companion, past every gateway.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client_of_replica(&self, number: usize) -> Result<Client, Fault> {
        Client::new(self.ports_of(number).companion)
    }

    /// Where the companions keep their state.
    pub const fn store(&self) -> Store {
        self.setup.store
    }

    /// How many companions there are.
    pub const fn replicas(&self) -> usize {
        self.setup.replicas
    }

    /// How many gateways there are.
    pub const fn gateways(&self) -> usize {
        self.setup.gateways
    }

    /// Who of number 0 listens where.
    pub const fn ports(&self) -> Ports {
        self.setup.ports
    }

    /// Who of that number listens where.
    pub fn ports_of(&self, number: usize) -> Ports {
        self.setup.ports.number(number)
    }

    /// The addresses of all gateways; the first is the issuer.
    pub fn addresses(&self) -> Vec<String> {
        let numbers = 0..self.setup.gateways;
        numbers
            .map(|number| self.ports_of(number).issuer())
            .collect()
    }

    /// The state directory, which all companions share.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The mail that the companions have sent.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox::new(self.folder.join("mail"))
    }

    fn end_replica(&mut self, number: usize, how: impl FnOnce(&mut Part)) {
        if let Some(slot) = self.companions.get_mut(number) {
            end(slot, &mut self.reaper, how);
        }
    }
}
