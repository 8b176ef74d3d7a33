//! Listeners that Envoy takes from a file, so that they come, change and go while it runs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::fault::Fault;
use crate::ports::{Ports, SHIPPED};
use crate::watch::wait_for;
use crate::workers::stats;

const PATIENCE: Duration = Duration::from_secs(20);

/// The file.
pub struct ListenerFile {
    listener: String,
    file: PathBuf,
    _folder: TempDir,
}

impl ListenerFile {
    /// Takes the listener out of the configuration; and what is left, which has its listeners from the file. The file is not written yet.
    ///
    /// # Errors
    /// When the configuration has not the form of the shipped one, or there is no place for the file.
    pub fn take_from(configuration: &str) -> Result<(Self, String), Fault> {
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a temporary folder"))?;
        let file = folder.path().join("listeners.yaml");
        let parts = configuration
            .split_once("static_resources:\n  listeners:\n")
            .and_then(|(before, rest)| Some((before, rest.split_once("\n  clusters:\n")?)));
        let Some((before, (listener, clusters))) = parts else {
            return Err(Fault::new("envoy.yaml has no listener before its clusters"));
        };
        // The port in the comment is for the rewriting, which wants to see every port of the shipped file.
        let rest = format!(
            r#"{before}node: {{ id: gateway, cluster: gateway }}
dynamic_resources:
  lds_config: {{ path_config_source: {{ path: "{}" }}, resource_api_version: V3 }}  # port_value: {}
static_resources:
  clusters:
{clusters}"#,
            file.display(),
            SHIPPED.gateway
        );
        let listener = listener
            .lines()
            .map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned() + "\n")
            .collect();
        let taken = Self {
            listener,
            file,
            _folder: folder,
        };
        Ok((taken, rest))
    }

    /// The listener as it was, but on that port, for tokens of that issuer.
    pub fn listener(&self, port: u16, issuer: &str) -> String {
        let shipped = SHIPPED.gateway;
        self.listener
            .replace(
                &format!("port_value: {shipped}"),
                &format!("port_value: {port}"),
            )
            .replace(
                &format!("\"{}\"", SHIPPED.issuer()),
                &format!("\"{issuer}\""),
            )
    }

    /// Writes the file, for an Envoy that has not started.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, listeners: &[String]) -> Result<(), Fault> {
        let next = self.file.with_extension("next");
        fs::write(&next, resources(listeners)).map_err(Fault::while_doing(next.display()))?;
        // Envoy looks at moves alone: no half-written file is read.
        fs::rename(&next, &self.file).map_err(Fault::while_doing(self.file.display()))
    }

    /// Gives the running Envoy these listeners, and waits until it has taken them: true, or refused them: false.
    ///
    /// # Errors
    /// When it does neither.
    pub fn publish(&self, envoy: Ports, listeners: &[String]) -> Result<bool, Fault> {
        let before = updates(envoy)?;
        self.write(listeners)?;
        wait_for("Envoy to read its listeners", PATIENCE, || {
            let (taken, refused) = updates(envoy)?;
            if refused > before.1 {
                return Ok(Some(false));
            }
            Ok((taken > before.0).then_some(true))
        })
    }
}

/// Waits until no listener of that Envoy drains any more.
///
/// # Errors
/// When one still does after a while.
pub fn await_drained(envoy: Ports) -> Result<(), Fault> {
    wait_for("old listeners to be gone", PATIENCE, || {
        let draining = count(envoy, "listener_manager.total_listeners_draining")?
            + count(envoy, "listener_manager.total_filter_chains_draining")?;
        Ok((draining == 0).then_some(()))
    })
}

/// That counter or gauge.
///
/// # Errors
/// When the admin interface does not answer.
pub fn count(envoy: Ports, name: &str) -> Result<u64, Fault> {
    let stats = stats(envoy, name)?;
    Ok(stats.get(name).copied().unwrap_or_default())
}

fn updates(envoy: Ports) -> Result<(u64, u64), Fault> {
    let of = |what: &str| count(envoy, &format!("listener_manager.lds.update_{what}"));
    Ok((of("success")?, of("rejected")?))
}

/// What the file says to have these listeners.
fn resources(listeners: &[String]) -> String {
    const TYPE: &str =
        "- \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n  name: ";
    if listeners.is_empty() {
        return "resources: []\n".to_owned();
    }
    let listeners = listeners.iter();
    let listeners: String = listeners
        .map(|listener| listener.replacen("- name: ", TYPE, 1))
        .collect();
    format!("resources:\n{listeners}")
}
