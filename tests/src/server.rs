//! A companion without anything around it, as the program that operators run: `latchkey serve` on a state directory of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::client::Client;
use crate::fault::Fault;
use crate::mailbox::Mailbox;
use crate::part::Part;
use crate::ports::free_port;
use crate::setup::roomy_limits;
use crate::visitor::Visitor;
use crate::watch::wait_for;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running companion.
pub struct Server {
    part: Part,
    /// The port of its public listener.
    pub public: u16,
    /// That of the internal one.
    pub internal: u16,
    folder: TempDir,
}

impl Server {
    /// Starts one, with limits that nobody meets.
    ///
    /// # Errors
    /// When it does not start, or is not ready in time.
    pub fn start(program: &Path) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a temporary folder"))?;
        let (public, internal) = (free_port()?, free_port()?);
        let mut command = Command::new(program);
        command
            .arg("serve")
            .env_clear()
            .env("LATCHKEY_STATE", folder.path().join("state"))
            .env("LATCHKEY_LISTEN", format!("127.0.0.1:{public}"))
            .env("LATCHKEY_INTERNAL_LISTEN", format!("127.0.0.1:{internal}"));
        command.envs(roomy_limits());
        let part = Part::start("companion", command, folder.path().join("log"))?;
        let mut server = Self {
            part,
            public,
            internal,
            folder,
        };
        wait_for("the companion", PATIENCE, || {
            server.part.must_run()?;
            let ready = Client::new(internal)?.get("/readyz").send();
            Ok(ready.ok().filter(|answer| answer.status == 200))
        })?;
        Ok(server)
    }

    /// A caller.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client(&self) -> Result<Client, Fault> {
        Client::new(self.public)
    }

    /// The mail that it has sent.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox::new(self.state().join("mail"))
    }

    /// Its state directory.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Somebody who has signed up and entered the code.
    ///
    /// # Errors
    /// When a step does not answer as it must.
    pub fn account(&self, name: &str) -> Result<Visitor, Fault> {
        let visitor = Visitor::named(name);
        visitor.register(&self.client()?, &self.mailbox())?;
        Ok(visitor)
    }

    /// Makes so many copies of an account, named `<name><number>`, with its password; `is_active` or disabled.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn copy_account(
        &self,
        of: &Visitor,
        name: &str,
        count: usize,
        is_active: bool,
    ) -> Result<(), Fault> {
        let path = self.state().join("latchkey.db");
        let fault = |error: rusqlite::Error| Fault::new(format!("the database: {error}"));
        let mut db = Connection::open(path).map_err(fault)?;
        db.busy_timeout(PATIENCE).map_err(fault)?;
        let all = db.transaction().map_err(fault)?;
        for number in 0..count {
            all.execute(
                "INSERT INTO accounts (id, email, password_hash, is_active, created_at)
                 SELECT randomblob(16), ?1, password_hash, ?2, created_at FROM accounts WHERE email = ?3",
                rusqlite::params![format!("{name}{number}@example.com"), is_active, of.email],
            )
            .map_err(fault)?;
        }
        all.commit().map_err(fault)
    }

    /// As [`Part::memory`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn memory(&self) -> Result<(f64, f64), Fault> {
        self.part.memory()
    }
}
