//! The companion under measurement: `latchkey serve` on a state directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tests::client::Client;
use tests::fault::Fault;
use tests::mailbox::Mailbox;
use tests::part::Part;
use tests::ports::free_port;
use tests::setup::roomy_limits;
use tests::visitor::Visitor;
use tests::watch::wait_for;

const PATIENCE: Duration = Duration::from_secs(20);
/// A running companion.
pub(crate) struct Server {
    part: Part,
    pub(crate) public: u16,
    pub(crate) internal: u16,
    folder: TempDir,
}

impl Server {
    /// Starts one.
    pub(crate) fn start(program: &Path) -> Result<Self, Fault> {
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

    pub(crate) fn client(&self) -> Result<Client, Fault> {
        Client::new(self.public)
    }

    pub(crate) fn mailbox(&self) -> Mailbox {
        Mailbox::new(self.state().join("mail"))
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Somebody who has signed up and entered the code.
    pub(crate) fn account(&self, name: &str) -> Result<Visitor, Fault> {
        let visitor = Visitor::named(name);
        visitor.register(&self.client()?, &self.mailbox())?;
        Ok(visitor)
    }

    /// Makes so many copies of an account, named `<name><number>`, with its password; `is_active` or disabled.
    pub(crate) fn copy_account(
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

    /// Memory in MiB: what it has now, and the most that it ever had.
    pub(crate) fn memory(&self) -> Result<(f64, f64), Fault> {
        let path = format!("/proc/{}/status", self.part.id());
        let text = fs::read_to_string(&path).map_err(Fault::while_doing(path))?;
        let figure = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            number.unwrap_or_default() / 1024.0
        };
        Ok((figure("VmRSS:"), figure("VmHWM:")))
    }
}
