//! A gate whose listeners come from a file: they are added, changed and removed while Envoy runs.

use serde_json::Value;
use tests::gate::Gate;
use tests::issuer::issuer;
use tests::listeners::{self, ListenerFile};
use tests::ports::Ports;
use tests::rewrite::with_filter_configuration;
use tests::stack::Setup;
use tests::stand_in::Answer;

use crate::envoy_yaml::{shipped, with};

/// Such a gate.
pub struct Moving {
    /// The gate.
    pub gate: Gate,
    file: ListenerFile,
}

impl Moving {
    /// With one listener that has this filter configuration; a listener that is replaced is gone after 2 s.
    pub fn start(configuration: &Value) -> Self {
        Self::start_on(Setup::on(Ports::free().unwrap()), configuration)
    }

    /// The same in this setup.
    pub fn start_on(setup: Setup, configuration: &Value) -> Self {
        let (file, bootstrap) = ListenerFile::take_from(&shipped()).unwrap();
        let ports = setup.ports;
        let mut setup = setup.envoy(&["--drain-time-s", "2"]);
        setup.configuration = Some(bootstrap);
        file.write(&[filled(&file, ports.gateway, configuration)])
            .unwrap();
        let mut gate = Gate::start_on(setup, &issuer(), |_| Answer::Right).unwrap();
        gate.stack.await_ready().unwrap();
        Self { gate, file }
    }

    /// The listener with this filter configuration.
    pub fn listener(&self, configuration: &Value) -> String {
        filled(&self.file, self.gate.stack.ports().gateway, configuration)
    }

    /// Another listener, on that port.
    pub fn second_listener(&self, port: u16, configuration: &Value) -> String {
        let listener = filled(&self.file, port, configuration);
        with(&listener, "- name: gateway\n", "- name: second\n")
    }

    /// Gives Envoy these listeners, and waits until it has taken them: true, or refused them: false.
    pub fn publish(&self, listeners: &[String]) -> bool {
        let envoy = self.gate.stack.ports();
        self.file.publish(envoy, listeners).unwrap()
    }

    /// Waits until nothing drains any more.
    pub fn await_drained(&self) {
        listeners::await_drained(self.gate.stack.ports()).unwrap();
    }

    /// That counter or gauge.
    pub fn count(&self, name: &str) -> u64 {
        listeners::count(self.gate.stack.ports(), name).unwrap()
    }
}

fn filled(file: &ListenerFile, port: u16, configuration: &Value) -> String {
    let listener = file.listener(port, "");
    // One level less deep than in the bootstrap.
    let deeper = listener.replace('\n', "\n  ");
    let filled = with_filter_configuration(&deeper, configuration).unwrap();
    filled.replace("\n  ", "\n")
}
