//! The whole on this machine: companions, Envoys on the shipped configuration, the example app, perhaps PostgreSQL; started, waited for,
//! broken and ended. Each companion and each Envoy has a number, from 0; where there is one of each, calls without a number mean it.

mod parts;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::mem;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::app::App;
use crate::client::Client;
use crate::fault::Fault;
use crate::part::Part;
use crate::place;
use crate::postgres::Postgres;
use crate::reaper::Reaper;
use crate::rewrite::rewrite;
pub use crate::setup::{Setup, Store};
use crate::traps;
use crate::watch::wait_for;

/// How long a part may take until it serves; a cold machine compiles the module meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// What answers 200 once the gate is synced and fresh.
pub const READY_PATH: &str = "/-/latchkey/ready";

/// A running stack; dropping it kills the parts, removes what is temporary, and panics where a VM has trapped that was not meant to.
pub struct Stack {
    companions: Vec<Option<Part>>,
    envoys: Vec<Option<Part>>,
    traps: Vec<Fault>,
    /// Of one companion alone, by its number.
    own_variables: Vec<(usize, String, String)>,
    postgres: Option<Postgres>,
    reaper: Reaper,
    setup: Setup,
    folder: PathBuf,
    // The order of the fields is the order in which they end: the folder goes last.
    app: App,
    _temporary: Option<TempDir>,
}

impl Stack {
    /// The companions' database on the stack's PostgreSQL.
    pub const DATABASE: &'static str = "latchkey";

    /// Starts all parts and waits until every gate is synced.
    ///
    /// # Errors
    /// When a part is missing, does not start, ends, or is not ready in time.
    pub fn start(setup: Setup) -> Result<Self, Fault> {
        let mut stack = Self::prepare(setup)?;
        // The first one makes the keys and tokens that all share.
        for number in 0..stack.setup.replicas {
            stack.start_replica(number)?;
        }
        for number in 0..stack.setup.gateways {
            stack.start_gateway(number)?;
        }
        stack.await_ready()?;
        Ok(stack)
    }

    /// The example app, an empty state, and PostgreSQL if it is asked for; no companion and no Envoy yet.
    ///
    /// # Errors
    /// When such a stack cannot be, a port is taken, PostgreSQL does not start, or there is no place for the state.
    pub fn prepare(setup: Setup) -> Result<Self, Fault> {
        setup.check()?;
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
        let mut stack = Self {
            companions: (0..setup.replicas).map(|_| None).collect(),
            envoys: (0..setup.gateways).map(|_| None).collect(),
            traps: Vec::new(),
            own_variables: Vec::new(),
            postgres: None,
            reaper,
            setup,
            folder,
            app,
            _temporary: temporary,
        };
        if stack.setup.store == Store::Postgres {
            stack.prepare_postgres()?;
        }
        Ok(stack)
    }

    /// Starts companion 0 and waits until it serves.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn start_companion(&mut self) -> Result<(), Fault> {
        self.start_replica(0)
    }

    /// Starts that companion and waits until it serves.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn start_replica(&mut self, number: usize) -> Result<(), Fault> {
        let ports = self.ports_of(number);
        let program = match &self.setup.program {
            Some(program) => program.clone(),
            None => place::program("latchkey")?,
        };
        let mut command = Command::new(program);
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
            .env("LATCHKEY_BASE_URL", self.setup.ports.issuer());
        if self.setup.store == Store::Postgres {
            command
                .env("LATCHKEY_STORE__KIND", "postgres")
                .env("LATCHKEY_STORE__URL_FILE", self.postgres_url_file());
        }
        command.envs(self.setup.companion.iter().cloned());
        let own = self.own_variables.iter().filter(|(of, ..)| *of == number);
        command.envs(own.map(|(_, name, value)| (name, value)));
        let name = numbered("companion", number, " ");
        let log = self
            .folder
            .join(numbered("companion", number, "-") + ".log");
        let part = Part::start(&name, command, log)?;
        self.reaper.add(part.id());
        *slot(&mut self.companions, number)? = Some(part);
        self.await_replica(number)
    }

    /// Waits until that companion serves.
    ///
    /// # Errors
    /// When it ends, or does not in time.
    pub fn await_replica(&mut self, number: usize) -> Result<(), Fault> {
        let ports = self.ports_of(number);
        // With a certificate the internal listener is not one that this caller can ask.
        let has_certificate = |(name, _): &(String, String)| name == "LATCHKEY_TLS_CERT";
        let (client, path) = if self.setup.companion.iter().any(has_certificate) {
            (Client::new(ports.companion)?, "/.well-known/jwks.json")
        } else {
            (Client::new(ports.internal)?, "/readyz")
        };
        let name = numbered("companion", number, " ");
        let part = slot(&mut self.companions, number)?;
        wait_for(&name, PATIENCE, || {
            part.as_mut().map_or(Ok(()), Part::must_run)?;
            let answer = client.get(path).send();
            Ok(answer
                .is_ok_and(|answer| answer.status == 200)
                .then_some(()))
        })
    }

    /// Starts Envoy 0 and waits until it answers, whatever it answers.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn start_envoy(&mut self) -> Result<(), Fault> {
        self.start_gateway(0)
    }

    /// Starts that Envoy and waits until it answers, whatever it answers. It asks the companion of its number first.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn start_gateway(&mut self, number: usize) -> Result<(), Fault> {
        let ports = self.ports_of(number);
        let count = self.setup.replicas;
        let replicas: Vec<_> = (number..number + count)
            .map(|replica| self.ports_of(replica % count))
            .collect();
        let configuration = match &self.setup.configuration {
            Some(configuration) => configuration.clone(),
            None => place::shipped_configuration()?,
        };
        let configuration = rewrite(&configuration, &ports, &replicas, &self.ports().issuer())?;
        let file_name = numbered("envoy", number, "-");
        let file = self.folder.join(format!("{file_name}.yaml"));
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
            .args(&self.setup.envoy)
            .env("LATCHKEY_GATEWAY_TOKEN", self.gateway_token()?);
        let name = numbered("Envoy", number, " ");
        let log = self.folder.join(format!("{file_name}.log"));
        let part = Part::start(&name, command, log)?;
        self.reaper.add(part.id());
        let part = slot(&mut self.envoys, number)?.insert(part);
        let client = Client::new(ports.gateway)?;
        wait_for(&name, PATIENCE, || {
            part.must_run()?;
            Ok(client.get(READY_PATH).send().ok().map(|_| ()))
        })
    }

    /// Waits until the gate of every Envoy that was started is synced and fresh.
    ///
    /// # Errors
    /// When a part ends, or time does.
    pub fn await_ready(&mut self) -> Result<(), Fault> {
        let numbers: Vec<_> = (0..self.setup.gateways)
            .filter(|number| self.gateway(*number).is_some())
            .collect();
        for number in numbers {
            let client = self.client_of(number)?;
            let what = numbered("the gate to be synced at Envoy", number, " ");
            wait_for(&what, PATIENCE, || {
                self.must_run()?;
                let answer = client.get(READY_PATH).send()?;
                Ok((answer.status == 200).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Whether all started parts still run.
    ///
    /// # Errors
    /// Tells which part ended, and its last words.
    pub fn must_run(&mut self) -> Result<(), Fault> {
        let parts = self.companions.iter_mut().chain(&mut self.envoys);
        parts.flatten().try_for_each(Part::must_run)?;
        self.postgres.as_mut().map_or(Ok(()), Postgres::must_run)
    }

    /// A fault for each part that has ended since it was last asked; such a part is no longer one.
    pub fn deaths(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for slot in self.companions.iter_mut().chain(&mut self.envoys) {
            let fault = slot.as_mut().and_then(|part| part.must_run().err());
            if let Some(fault) = fault {
                end(slot, &mut self.reaper, Part::kill);
                faults.push(fault);
            }
        }
        let postgres = self.postgres.as_mut();
        faults.extend(postgres.and_then(|server| server.must_run().err()));
        faults
    }

    /// From its next start on each companion has another `base_url`, and so another issuer in its tokens.
    pub fn rename_companion(&mut self, base_url: &str) {
        let variable = ("LATCHKEY_BASE_URL".to_owned(), base_url.to_owned());
        self.setup.companion.push(variable);
    }

    /// From its next start on that companion has this variable too.
    pub fn tell_replica(&mut self, number: usize, name: &str, value: &str) {
        self.own_variables
            .push((number, name.to_owned(), value.to_owned()));
    }

    /// Ends everything in order.
    ///
    /// # Errors
    /// When a VM of an Envoy has trapped that was not meant to.
    pub fn stop(mut self) -> Result<(), Fault> {
        for number in 0..self.envoys.len() {
            self.end_gateway(number, Part::terminate);
        }
        for slot in &mut self.companions {
            end(slot, &mut self.reaper, Part::terminate);
        }
        if let Some(server) = &mut self.postgres {
            // It ends either way.
            let _ = server.stop_fast();
        }
        mem::take(&mut self.traps).pop().map_or(Ok(()), Err)
    }

    /// Asks that Envoy for traps, then ends it.
    fn end_gateway(&mut self, number: usize, how: impl FnOnce(&mut Part)) {
        let ports = self.ports_of(number);
        let Some(slot) = self.envoys.get_mut(number) else {
            return;
        };
        if let Some(part) = slot.as_mut().filter(|_| !self.setup.traps) {
            self.traps.extend(traps::must_be_none(ports, part).err());
        }
        end(slot, &mut self.reaper, how);
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

    /// Starts the server, whose data is kept where the state is, and writes down where the companions find their database.
    fn prepare_postgres(&mut self) -> Result<(), Fault> {
        let port = Some(self.setup.ports.postgres);
        let server = match &self.setup.state {
            Some(_) => Postgres::start_in(&self.postgres_folder()?, port)?,
            None => Postgres::start(port)?,
        };
        server.ensure_database(Self::DATABASE)?;
        let path = self.postgres_url_file();
        let fault = |error: io::Error| Fault::new(format!("{}: {error}", path.display()));
        if path.exists() {
            fs::remove_file(&path).map_err(fault)?;
        }
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| writeln!(file, "{}", server.url(Self::DATABASE)))
            .map_err(fault)?;
        self.postgres = Some(server);
        Ok(())
    }

    /// In the state directory; for root beside it, because the server runs as another user and the state is private.
    fn postgres_folder(&self) -> Result<PathBuf, Fault> {
        let state =
            fs::metadata(&self.folder).map_err(Fault::while_doing(self.folder.display()))?;
        if state.uid() != 0 {
            return Ok(self.folder.join("postgres"));
        }
        let mut name = self.folder.file_name().unwrap_or_default().to_owned();
        name.push(".postgres");
        Ok(self.folder.with_file_name(name))
    }

    fn postgres_url_file(&self) -> PathBuf {
        self.folder.join("postgres.url")
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for number in 0..self.envoys.len() {
            self.end_gateway(number, Part::kill);
        }
        for slot in &mut self.companions {
            end(slot, &mut self.reaper, Part::kill);
        }
        // A second panic would abort the whole test program.
        match self.traps.pop() {
            Some(fault) if !thread::panicking() => panic!("{fault}"),
            Some(fault) => eprintln!("{fault}"),
            None => {}
        }
    }
}

/// Number 0 has no number: most stacks have one of each.
fn numbered(name: &str, number: usize, separator: &str) -> String {
    if number == 0 {
        return name.to_owned();
    }
    format!("{name}{separator}{number}")
}

fn slot(parts: &mut [Option<Part>], number: usize) -> Result<&mut Option<Part>, Fault> {
    parts
        .get_mut(number)
        .ok_or_else(|| Fault::new(format!("this stack has no part with the number {number}")))
}

fn end(part: &mut Option<Part>, reaper: &mut Reaper, how: impl FnOnce(&mut Part)) {
    if let Some(mut part) = part.take() {
        how(&mut part);
        reaper.release(part.id());
    }
}
