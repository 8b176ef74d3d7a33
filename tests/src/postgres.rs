//! A real PostgreSQL server of a test's or a stack's own: made, started, asked, unplugged, and started again on what is on its disk.

mod owner;
mod programs;

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use self::owner::Owner;
use crate::fault::Fault;
use crate::part::Part;
use crate::ports::free_port;
use crate::reaper::Reaper;
use crate::watch::wait_for;

/// The superuser.
const USER: &str = "latchkey";
/// The database that is there from the beginning.
const FIRST_DATABASE: &str = "postgres";
/// How long the server may take to serve; after a crash it first replays its log.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to end when it may not write any more; it gives its children 5 s.
const UNPLUGGED: Duration = Duration::from_secs(10);

/// A server on 127.0.0.1, durable as PostgreSQL is by default; dropping it ends it at once and removes what is temporary.
pub struct Postgres {
    running: Option<Part>,
    reaper: Reaper,
    owner: Owner,
    port: u16,
    password: String,
    folder: PathBuf,
    // Must be the last field: the server lives in it.
    _temporary: Option<TempDir>,
}

impl Postgres {
    /// A new server in a temporary folder, on that port or on a free one.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start.
    pub fn start(port: Option<u16>) -> Result<Self, Fault> {
        let temporary = tempfile::Builder::new()
            .prefix("latchkey-postgres-")
            .permissions(Permissions::from_mode(0o711))
            .tempdir()
            .map_err(Fault::while_doing("a temporary folder"))?;
        let folder = temporary.path().to_owned();
        Self::begin(folder, Some(temporary), port)
    }

    /// The server whose data lies in `folder`, made anew when there is none; the folder is kept.
    ///
    /// # Errors
    /// As [`Postgres::start`], and when the folder cannot be used.
    pub fn start_in(folder: &Path, port: Option<u16>) -> Result<Self, Fault> {
        fs::create_dir_all(folder).map_err(Fault::while_doing(folder.display()))?;
        fs::set_permissions(folder, Permissions::from_mode(0o711))
            .map_err(Fault::while_doing(folder.display()))?;
        let folder = folder
            .canonicalize()
            .map_err(Fault::while_doing(folder.display()))?;
        Self::begin(folder, None, port)
    }

    /// The one that all tests of this process share. It ends with the process.
    ///
    /// # Panics
    /// When it does not start: the test that asked for it fails.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match Self::start(None) {
            Ok(server) => server,
            Err(fault) => panic!("{fault}"),
        })
    }

    fn begin(
        folder: PathBuf,
        temporary: Option<TempDir>,
        port: Option<u16>,
    ) -> Result<Self, Fault> {
        let port = match port {
            Some(port) => port,
            None => free_port()?,
        };
        let owner = Owner::of(&folder)?;
        let reaper = Reaper::start(temporary.as_ref().map(TempDir::path))?;
        let password = password(&folder.join("password"), &owner)?;
        let mut server = Self {
            running: None,
            reaper,
            owner,
            port,
            password,
            folder,
            _temporary: temporary,
        };
        server.make_data()?;
        server.start_again()?;
        Ok(server)
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address of that database, with the password in it.
    pub fn url(&self, database: &str) -> String {
        let (password, port) = (&self.password, self.port);
        format!("postgres://{USER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// When there is one of that name, or the server is away.
    pub fn create_database(&self, name: &str) -> Result<(), Fault> {
        self.execute(FIRST_DATABASE, &format!("CREATE DATABASE \"{name}\""))
    }

    /// The same, unless there is one.
    ///
    /// # Errors
    /// When the server is away.
    pub fn ensure_database(&self, name: &str) -> Result<(), Fault> {
        let sql = format!("SELECT datname FROM pg_database WHERE datname = '{name}'");
        if self.query_text(FIRST_DATABASE, &sql)?.is_empty() {
            self.create_database(name)?;
        }
        Ok(())
    }

    /// The address of an empty database that nobody else has.
    ///
    /// # Errors
    /// When the server is away.
    pub fn fresh_database(&self) -> Result<String, Fault> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", process::id());
        self.create_database(&name)?;
        Ok(self.url(&name))
    }

    /// Runs statements, with nothing to read from them.
    ///
    /// # Errors
    /// What the server says.
    pub fn execute(&self, database: &str, sql: &str) -> Result<(), Fault> {
        self.query_text(database, sql).map(drop)
    }

    /// The rows that statements give, each value as PostgreSQL writes it; NULL is nothing.
    ///
    /// # Errors
    /// What the server says.
    pub fn query_text(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, Fault> {
        ask(&self.url(database), sql)
    }

    /// Ends it in order: open transactions are rolled back, what is committed is written to its place.
    ///
    /// # Errors
    /// When it does not end in time; then it was killed.
    pub fn stop_fast(&mut self) -> Result<(), Fault> {
        self.end("INT", PATIENCE)
    }

    /// Pulls the plug: it writes nothing more, and replays its log at the next start.
    ///
    /// # Errors
    /// When it does not end in time; then it was killed.
    pub fn stop_immediate(&mut self) -> Result<(), Fault> {
        self.end("QUIT", UNPLUGGED)
    }

    /// Starts what was stopped, on the same port and the same data, and waits until it serves.
    ///
    /// # Errors
    /// When it does not.
    pub fn start_again(&mut self) -> Result<(), Fault> {
        if self.running.is_some() {
            return Ok(());
        }
        let mut command = Command::new(self.owner.programs()?.join("postgres"));
        self.owner.run(&mut command, &self.folder);
        command.arg("-D").arg(self.data()).args([
            "-c",
            &format!("port={}", self.port),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=300",
        ]);
        let part = Part::start("PostgreSQL", command, self.folder.join("postgres.log"))?;
        // SIGKILL would leave its children and their shared memory behind.
        self.reaper.add_with(part.id(), "QUIT");
        self.running = Some(part);
        let url = self.url(FIRST_DATABASE);
        wait_for("PostgreSQL", PATIENCE, || {
            self.must_run()?;
            Ok(ask(&url, "SELECT 1").ok().map(drop))
        })
    }

    /// Copies the data of the stopped server to `backup`, which must not exist yet.
    ///
    /// # Errors
    /// When it runs, or the files cannot be copied.
    pub fn copy_data(&self, backup: &Path) -> Result<(), Fault> {
        self.must_be_stopped()?;
        copy(&self.data(), backup)
    }

    /// Puts such a copy in the place of the stopped server's data.
    ///
    /// # Errors
    /// When it runs, or the files cannot be copied.
    pub fn put_back(&self, backup: &Path) -> Result<(), Fault> {
        self.must_be_stopped()?;
        fs::remove_dir_all(self.data()).map_err(Fault::while_doing(self.data().display()))?;
        copy(backup, &self.data())
    }

    /// The server, while it runs.
    pub const fn part(&self) -> Option<&Part> {
        self.running.as_ref()
    }

    /// Tells that it ended, and its last words, if it ended without being told to.
    ///
    /// # Errors
    /// When it has.
    pub fn must_run(&mut self) -> Result<(), Fault> {
        let ended = self.running.as_mut().map_or(Ok(()), Part::must_run);
        if ended.is_err()
            && let Some(part) = self.running.take()
        {
            self.reaper.release(part.id());
        }
        ended
    }

    fn end(&mut self, signal: &str, patience: Duration) -> Result<(), Fault> {
        let Some(mut part) = self.running.take() else {
            return Ok(());
        };
        let ended = part.end_by(signal, patience);
        self.reaper.release(part.id());
        if ended {
            return Ok(());
        }
        Err(Fault::new(format!(
            "PostgreSQL did not end within {patience:?} of SIG{signal}"
        )))
    }

    fn must_be_stopped(&self) -> Result<(), Fault> {
        match self.running {
            Some(_) => Err(Fault::new("PostgreSQL runs: its files are not at rest")),
            None => Ok(()),
        }
    }

    /// Where its files are.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Under another name until it is whole: an interrupted start leaves nothing that looks like data.
    fn make_data(&mut self) -> Result<(), Fault> {
        if self.data().exists() {
            return Ok(());
        }
        let unfinished = self.folder.join("data.new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(Fault::while_doing(unfinished.display()))?;
        }
        fs::create_dir(&unfinished).map_err(Fault::while_doing(unfinished.display()))?;
        fs::set_permissions(&unfinished, Permissions::from_mode(0o700))
            .map_err(Fault::while_doing(unfinished.display()))?;
        self.owner.give(&unfinished)?;
        let mut command = Command::new(self.owner.programs()?.join("initdb"));
        self.owner.run(&mut command, &self.folder);
        // Without a sync this once: nothing is committed yet.
        command
            .args(["--no-sync", "--no-locale", "--encoding=UTF8"])
            .args(["--auth=scram-sha-256", "--username", USER])
            .arg("--pwfile")
            .arg(self.folder.join("password"))
            .arg("-D")
            .arg(&unfinished);
        let mut part = Part::start("initdb", command, self.folder.join("initdb.log"))?;
        self.reaper.add_with(part.id(), "TERM");
        let status = wait_for("initdb", PATIENCE, || Ok(part.end()));
        self.reaper.release(part.id());
        if !status?.success() {
            part.must_run()?;
        }
        fs::rename(&unfinished, self.data()).map_err(Fault::while_doing(unfinished.display()))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.stop_immediate();
    }
}

/// The one in the file, which initdb reads too; a random one when there is no file yet.
fn password(file: &Path, owner: &Owner) -> Result<String, Fault> {
    let fault = |error: std::io::Error| Fault::new(format!("{}: {error}", file.display()));
    if file.exists() {
        let password = fs::read_to_string(file).map_err(fault)?;
        return Ok(password.trim().to_owned());
    }
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).map_err(Fault::while_doing("a random password"))?;
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut file| writeln!(file, "{password}"))
        .map_err(fault)?;
    owner.give(file)?;
    Ok(password)
}

/// With modes and owners: PostgreSQL refuses a folder that is not its own.
fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    if to.exists() {
        return Err(Fault::new(format!("{} exists already", to.display())));
    }
    let copied = Command::new("cp").arg("-a").args([from, to]).output();
    let output = copied.map_err(Fault::while_doing("starting cp"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Fault::new(format!("cp: {}", words.trim())));
    }
    Ok(())
}

/// One connection, one question. On a thread of its own: the caller may be inside a runtime, which must not start another.
fn ask(url: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, Fault> {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Fault::while_doing("a runtime"))?;
            runtime.block_on(answer(url, sql))
        });
        asked
            .join()
            .unwrap_or_else(|_| Err(Fault::new("the thread that asked PostgreSQL panicked")))
    })
}

async fn answer(url: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, Fault> {
    // The error itself says only "db error".
    let fault = |error: tokio_postgres::Error| match error.as_db_error() {
        Some(error) => Fault::new(format!("PostgreSQL: {error}")),
        None => Fault::new(format!("PostgreSQL: {error}")),
    };
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(fault)?;
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(sql).await.map_err(fault)?;
    drop(client);
    // Else the server notes a connection that was cut off.
    let _ = connection.await;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let values = |row: &tokio_postgres::SimpleQueryRow| {
        let columns = 0..row.len();
        columns
            .map(|column| row.get(column).map(ToOwned::to_owned))
            .collect()
    };
    Ok(rows.map(values).collect())
}

#[cfg(test)]
mod tests;
