//! The whole on this machine: the companion, Envoy on the shipped configuration, the example app; started, waited for, broken and ended.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::app::App;
use crate::client::Client;
use crate::fault::Fault;
use crate::mailbox::Mailbox;
use crate::part::Part;
use crate::place;
use crate::ports::Ports;
use crate::reaper::Reaper;
use crate::watch::wait_for;

/// How long a part may take until it serves; a cold machine compiles the module meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// What answers 200 once the gate is synced and fresh.
pub const READY_PATH: &str = "/-/latchkey/ready";

/// How a stack is to be.
pub struct Setup {
    /// Who listens where.
    pub ports: Ports,
    /// The state directory, kept; a temporary one, removed, when there is none.
    pub state: Option<PathBuf>,
    /// Envoy's configuration before its ports are rewritten; the shipped one when there is none.
    pub configuration: Option<String>,
    /// More variables for the companion.
    pub companion: Vec<(String, String)>,
}

/// A running stack; dropping it kills the parts and removes what is temporary.
pub struct Stack {
    companion: Option<Part>,
    envoy: Option<Part>,
    reaper: Reaper,
    setup: Setup,
    folder: PathBuf,
    // The order of the fields is the order in which they end: the folder goes last.
    _app: App,
    _temporary: Option<TempDir>,
}

impl Setup {
    /// On these ports, with nothing else changed.
    pub const fn on(ports: Ports) -> Self {
        Self {
            ports,
            state: None,
            configuration: None,
            companion: Vec::new(),
        }
    }

    /// With this variable for the companion.
    #[must_use]
    pub fn companion(mut self, name: &str, value: &str) -> Self {
        self.companion.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Stack {
    /// Starts all parts and waits until the gate is synced.
    ///
    /// # Errors
    /// When a part is missing, does not start, ends, or is not ready in time.
    pub fn start(setup: Setup) -> Result<Self, Fault> {
        let mut stack = Self::prepare(setup)?;
        stack.start_companion()?;
        stack.start_envoy()?;
        stack.await_ready()?;
        Ok(stack)
    }

    /// The example app and an empty state; no companion and no Envoy yet.
    ///
    /// # Errors
    /// When the app's port is taken or there is no place for the state.
    pub fn prepare(setup: Setup) -> Result<Self, Fault> {
        let app = App::start(setup.ports.app)?;
        let (folder, temporary) = match &setup.state {
            Some(folder) => {
                fs::create_dir_all(folder).map_err(Fault::while_doing(folder.display()))?;
                let folder = folder
                    .canonicalize()
                    .map_err(Fault::while_doing(folder.display()))?;
                (folder, None)
            }
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("latchkey-")
                    .tempdir()
                    .map_err(Fault::while_doing("a temporary folder"))?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let reaper = Reaper::start(temporary.as_ref().map(TempDir::path))?;
        Ok(Self {
            companion: None,
            envoy: None,
            reaper,
            setup,
            folder,
            _app: app,
            _temporary: temporary,
        })
    }

    /// Starts the companion and waits until it serves.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn start_companion(&mut self) -> Result<(), Fault> {
        let ports = self.setup.ports;
        let mut command = Command::new(place::program("latchkey")?);
        // The launcher's own variables mean nothing to it.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LATCHKEY_") {
                command.env_remove(name);
            }
        }
        command
            .arg("serve")
            .current_dir(&self.folder)
            .env("LATCHKEY_STATE", &self.folder)
            .env("LATCHKEY_LISTEN", format!("127.0.0.1:{}", ports.companion))
            .env(
                "LATCHKEY_INTERNAL_LISTEN",
                format!("127.0.0.1:{}", ports.internal),
            )
            .env("LATCHKEY_BASE_URL", ports.issuer())
            .envs(self.setup.companion.iter().cloned());
        let part = Part::start("companion", command, self.folder.join("companion.log"))?;
        self.reaper.add(part.id());
        let part = self.companion.insert(part);
        let client = Client::new(ports.internal)?;
        wait_for("the companion", PATIENCE, || {
            part.must_run()?;
            let answer = client.get("/readyz").send();
            Ok(answer
                .is_ok_and(|answer| answer.status == 200)
                .then_some(()))
        })
    }

    /// Starts Envoy and waits until it answers, whatever it answers.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn start_envoy(&mut self) -> Result<(), Fault> {
        let ports = self.setup.ports;
        let configuration = match &self.setup.configuration {
            Some(configuration) => ports.rewrite(configuration)?,
            None => ports.rewrite(&place::shipped_configuration()?)?,
        };
        let file = self.folder.join("envoy.yaml");
        fs::write(&file, configuration).map_err(Fault::while_doing(file.display()))?;
        let mut command = Command::new(place::envoy()?);
        command
            .current_dir(place::root())
            .args(["--concurrency", "2", "--disable-hot-restart"])
            .args([
                "--log-level",
                "warning",
                "--component-log-level",
                "wasm:info",
            ])
            .arg("--config-path")
            .arg(&file)
            .env("LATCHKEY_GATEWAY_TOKEN", self.gateway_token()?);
        let part = Part::start("Envoy", command, self.folder.join("envoy.log"))?;
        self.reaper.add(part.id());
        let part = self.envoy.insert(part);
        let client = Client::new(ports.gateway)?;
        wait_for("Envoy", PATIENCE, || {
            part.must_run()?;
            Ok(client.get(READY_PATH).send().ok().map(|_| ()))
        })
    }

    /// Waits until the gate is synced and fresh.
    ///
    /// # Errors
    /// When a part ends, or time does.
    pub fn await_ready(&mut self) -> Result<(), Fault> {
        let client = self.client()?;
        wait_for("the gate to be synced", PATIENCE, || {
            self.must_run()?;
            let answer = client.get(READY_PATH).send()?;
            Ok((answer.status == 200).then_some(()))
        })
    }

    /// Whether all started parts still run.
    ///
    /// # Errors
    /// Tells which part ended, and its last words.
    pub fn must_run(&mut self) -> Result<(), Fault> {
        let mut parts = self.companion.iter_mut().chain(&mut self.envoy);
        parts.try_for_each(Part::must_run)
    }

    /// A fault for each part that has ended since it was last asked; such a part is no longer one.
    pub fn deaths(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for slot in [&mut self.companion, &mut self.envoy] {
            let fault = slot.as_mut().and_then(|part| part.must_run().err());
            if let Some(fault) = fault {
                end(slot, &mut self.reaper, Part::kill);
                faults.push(fault);
            }
        }
        faults
    }

    /// SIGKILL to the companion.
    pub fn kill_companion(&mut self) {
        end(&mut self.companion, &mut self.reaper, Part::kill);
    }

    /// SIGTERM to the companion, and waits for its end.
    pub fn stop_companion(&mut self) {
        end(&mut self.companion, &mut self.reaper, Part::terminate);
    }

    /// From its next start on the companion has another `base_url`, and so another issuer in its tokens.
    pub fn rename_companion(&mut self, base_url: &str) {
        let variable = ("LATCHKEY_BASE_URL".to_owned(), base_url.to_owned());
        self.setup.companion.push(variable);
    }

    /// SIGKILL to Envoy.
    pub fn kill_envoy(&mut self) {
        end(&mut self.envoy, &mut self.reaper, Part::kill);
    }

    /// Ends everything in order.
    pub fn stop(mut self) {
        end(&mut self.envoy, &mut self.reaper, Part::terminate);
        end(&mut self.companion, &mut self.reaper, Part::terminate);
    }

    /// Envoy, while it runs.
    pub const fn envoy(&self) -> Option<&Part> {
        self.envoy.as_ref()
    }

    /// The companion, while it runs.
    pub const fn companion(&self) -> Option<&Part> {
        self.companion.as_ref()
    }

    /// A caller of the gateway.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client(&self) -> Result<Client, Fault> {
        Client::new(self.setup.ports.gateway)
    }

    /// Who listens where.
    pub const fn ports(&self) -> Ports {
        self.setup.ports
    }

    /// The state directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The mail that the companion has sent.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox::new(self.folder.join("mail"))
    }

    fn gateway_token(&self) -> Result<String, Fault> {
        let path = self.folder.join("gateway.token");
        match fs::read_to_string(&path) {
            Ok(token) => Ok(token.trim().to_owned()),
            // Envoy alone, without a companion that ever ran: it starts, and denies.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Fault::while_doing(path.display())(error)),
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.kill_envoy();
        self.kill_companion();
    }
}

fn end(part: &mut Option<Part>, reaper: &mut Reaper, how: impl FnOnce(&mut Part)) {
    if let Some(mut part) = part.take() {
        how(&mut part);
        reaper.release(part.id());
    }
}
