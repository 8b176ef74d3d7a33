//! A gate whose listeners come from a file: they are added, changed and removed while Envoy runs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tests::gate::Gate;
use tests::issuer::issuer;
use tests::ports::Ports;
use tests::rewrite::with_filter_configuration;
use tests::stack::Setup;
use tests::stand_in::Answer;
use tests::watch::wait_for;
use tests::workers::stats;

use crate::envoy_yaml::{listener_file, shipped, with, with_listener_in};

const PATIENCE: Duration = Duration::from_secs(20);

/// Such a gate.
pub struct Moving {
    /// The gate.
    pub gate: Gate,
    listener: String,
    file: PathBuf,
    _folder: TempDir,
}

impl Moving {
    /// With one listener that has this filter configuration; a listener that is replaced is gone after 2 s.
    pub fn start(configuration: &Value) -> Self {
        Self::start_on(Setup::on(Ports::free().unwrap()), configuration)
    }

    /// The same in this setup.
    pub fn start_on(setup: Setup, configuration: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("listeners.yaml");
        let (bootstrap, listener) = with_listener_in(&shipped(), &file);
        let ports = setup.ports;
        let mut setup = setup.envoy(&["--drain-time-s", "2"]);
        setup.configuration = Some(bootstrap);
        let first = filled(&listener, ports.gateway, configuration);
        fs::write(&file, listener_file(&[first])).unwrap();
        let mut gate = Gate::start_on(setup, &issuer(), |_| Answer::Right).unwrap();
        gate.stack.await_ready().unwrap();
        Self {
            gate,
            listener,
            file,
            _folder: folder,
        }
    }

    /// The listener with this filter configuration.
    pub fn listener(&self, configuration: &Value) -> String {
        filled(
            &self.listener,
            self.gate.stack.ports().gateway,
            configuration,
        )
    }

    /// Another listener, on that port.
    pub fn second_listener(&self, port: u16, configuration: &Value) -> String {
        let listener = filled(&self.listener, port, configuration);
        with(&listener, "- name: gateway\n", "- name: second\n")
    }

    /// Gives Envoy these listeners, and waits until it has taken them: true, or refused them: false.
    pub fn publish(&self, listeners: &[String]) -> bool {
        let before = self.updates();
        let next = self.file.with_extension("next");
        fs::write(&next, listener_file(listeners)).unwrap();
        // Envoy looks at moves alone: no half-written file is read.
        fs::rename(&next, &self.file).unwrap();
        wait_for("Envoy to read its listeners", PATIENCE, || {
            let (taken, refused) = self.updates();
            if refused > before.1 {
                return Ok(Some(false));
            }
            Ok((taken > before.0).then_some(true))
        })
        .unwrap()
    }

    /// Waits until nothing drains any more.
    pub fn await_drained(&self) {
        wait_for("old listeners to be gone", PATIENCE, || {
            let draining = self.count("listener_manager.total_listeners_draining")
                + self.count("listener_manager.total_filter_chains_draining");
            Ok((draining == 0).then_some(()))
        })
        .unwrap();
    }

    /// That counter or gauge.
    pub fn count(&self, name: &str) -> u64 {
        let stats = stats(self.gate.stack.ports(), name).unwrap();
        stats.get(name).copied().unwrap_or_default()
    }

    fn updates(&self) -> (u64, u64) {
        let of = |what: &str| self.count(&format!("listener_manager.lds.update_{what}"));
        (of("success"), of("rejected"))
    }
}

fn filled(listener: &str, port: u16, configuration: &Value) -> String {
    let listener = with(listener, "port_value: 8000", &format!("port_value: {port}"));
    // One level less deep than in the bootstrap.
    let deeper = listener.replace('\n', "\n  ");
    let filled = with_filter_configuration(&deeper, configuration).unwrap();
    filled.replace("\n  ", "\n")
}
