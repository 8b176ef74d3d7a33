//! The settings of an Envoy process before it starts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use wasmtime::Module;

use crate::host::Host;
use crate::host::hostile::Returned;
use crate::host::module::{latchkey, shipped_capabilities};
use crate::host::state::Capabilities;
use crate::host::world::{Random, SECOND, World};

/// A process that has not started yet. Without further settings: the built filter under the shipped capability list.
pub struct Starting {
    module: Option<Module>,
    capabilities: Option<BTreeSet<String>>,
    configuration: Vec<u8>,
    world: World,
}

impl Starting {
    pub(crate) fn new(configuration: Vec<u8>) -> Self {
        Self {
            module: None,
            capabilities: Some(shipped_capabilities()),
            configuration,
            world: World::new(Random::of_the_system()),
        }
    }

    /// Another module than the built filter.
    #[must_use]
    pub fn module(mut self, module: Module) -> Self {
        self.module = Some(module);
        self
    }

    /// The configuration as bytes, which need not be text.
    #[must_use]
    pub fn configuration(mut self, bytes: &[u8]) -> Self {
        self.configuration = bytes.to_vec();
        self
    }

    /// An environment variable of the VM.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.world.environment.push((name.into(), value.into()));
        self
    }

    /// Random bytes that are the same in each run.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.world.random = Random::seeded(seed);
        self
    }

    /// The wall clock, in seconds since the epoch.
    #[must_use]
    pub fn at(mut self, seconds: i64) -> Self {
        self.world.wall = u64::try_from(seconds).expect("a time after 1970") * SECOND;
        self
    }

    /// The clusters that exist; any without this.
    #[must_use]
    pub fn clusters(mut self, names: &[&str]) -> Self {
        self.world.clusters = Some(names.iter().map(ToString::to_string).collect());
        self
    }

    /// No capability list: the module may call everything.
    #[must_use]
    pub fn unrestricted(mut self) -> Self {
        self.capabilities = None;
        self
    }

    /// The shipped capability list without this name.
    #[must_use]
    pub fn without_capability(mut self, name: &str) -> Self {
        if let Some(list) = &mut self.capabilities {
            assert!(list.remove(name), "{name} is in the list");
        }
        self
    }

    /// Makes an import answer this status from the beginning; see [`Host::force`].
    #[must_use]
    pub fn forcing(mut self, import: &str, status: i32) -> Self {
        self.world.forced.insert(import.to_owned(), status);
        self
    }

    /// Makes an import return other data from the beginning; see [`Host::return_instead`].
    #[must_use]
    pub fn returning(mut self, import: &str, data: Returned) -> Self {
        self.world.returned.insert(import.to_owned(), data);
        self
    }

    /// An Envoy without the foreign function `verify_signature`.
    #[must_use]
    pub fn without_native_verification(mut self) -> Self {
        self.world.has_verify_signature = false;
        self
    }

    /// Starts the process with that many VMs, after the canary has taken the configuration.
    ///
    /// # Panics
    /// When the canary refused it.
    pub fn vms(self, count: usize) -> Host {
        self.try_vms(count)
            .unwrap_or_else(|logs| panic!("the configuration was refused: {logs:#?}"))
    }

    /// As [`Starting::vms`].
    ///
    /// # Errors
    /// The log, when the canary refused the configuration.
    pub fn try_vms(self, count: usize) -> Result<Host, Vec<String>> {
        let mut host = Host {
            module: self.module.unwrap_or_else(|| latchkey().clone()),
            capabilities: Capabilities(self.capabilities),
            configuration: self.configuration,
            world: Rc::new(RefCell::new(self.world)),
            vms: Vec::new(),
            reloaded_at: vec![None; count],
        };
        if !host.canary_accepts(&host.configuration) {
            return Err(host.logs().to_vec());
        }
        host.vms = (0..count).map(|place| host.start_vm(place)).collect();
        Ok(host)
    }
}
