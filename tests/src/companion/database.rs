//! A companion's database, where it is on PostgreSQL: of its own, on the server that all tests of this process share.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use companion::config::{Store, StoreKind};

use super::PATIENCE;
use crate::fault::Fault;
use crate::postgres::Postgres;
use crate::watch::wait_for;

/// The test program that has its companions on PostgreSQL; Cargo appends a digest to the name.
const PROGRAM: &str = "companion_on_postgres";
/// All companions of a test together stay far below what the server allows.
const CONNECTIONS: usize = 8;
/// Databases are made and copied from here.
const MAINTENANCE: &str = "postgres";

/// The database; it stays until the server ends.
#[derive(Clone)]
pub(super) struct Database {
    name: String,
}

impl Database {
    /// An empty one, if this program has its companions on PostgreSQL. The tests are the same: which store they run on is told by the
    /// name of their program alone.
    pub(super) fn for_this_program() -> Result<Option<Self>, Fault> {
        let program = env::current_exe().map_err(Fault::while_doing("the test program"))?;
        let name = program.file_name().unwrap_or_default();
        if !name.to_string_lossy().starts_with(PROGRAM) {
            return Ok(None);
        }
        let url = Postgres::shared().fresh_database()?;
        let (_, name) = url.rsplit_once('/').unwrap_or_default();
        let name = name.to_owned();
        Ok(Some(Self { name }))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The settings that lead to it, by way of a file in this folder.
    pub(super) fn settings(&self, folder: &Path) -> Result<Store, Fault> {
        let file = folder.join("database.url");
        let url = Postgres::shared().url(&self.name);
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut file| writeln!(file, "{url}"))
            .map_err(Fault::while_doing(file.display()))?;
        Ok(Store {
            kind: StoreKind::Postgres,
            url_file: Some(file),
            connections: CONNECTIONS,
            ..Store::default()
        })
    }

    /// Copies it; the file has the name of the copy.
    pub(super) fn back_up(&self, file: &Path) -> Result<(), Fault> {
        let copy = self.another_name();
        copy_database(&self.name, &copy)?;
        fs::write(file, copy).map_err(Fault::while_doing(file.display()))
    }

    /// Puts such a copy in its place. The database that was there is put aside: to remove one, the server first writes all of them to
    /// the disk.
    pub(super) fn put_back(&self, file: &Path) -> Result<(), Fault> {
        let copy = fs::read_to_string(file).map_err(Fault::while_doing(file.display()))?;
        wait_until_unused(&self.name)?;
        let (name, aside) = (&self.name, self.another_name());
        let put_aside = format!("ALTER DATABASE \"{name}\" RENAME TO \"{aside}\"");
        Postgres::shared().execute(MAINTENANCE, &put_aside)?;
        copy_database(&copy, name)
    }

    /// One that no database has.
    fn another_name(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("{}_{}", self.name, NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

fn copy_database(from: &str, to: &str) -> Result<(), Fault> {
    wait_until_unused(from)?;
    let copy = format!("CREATE DATABASE \"{to}\" TEMPLATE \"{from}\"");
    Postgres::shared().execute(MAINTENANCE, &copy)
}

/// The server takes a moment to see that a stopped companion's connections are closed.
fn wait_until_unused(name: &str) -> Result<(), Fault> {
    let users = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{name}'");
    wait_for("the database to be left", PATIENCE, || {
        let users = Postgres::shared().query_text(MAINTENANCE, &users)?;
        Ok(users.is_empty().then_some(()))
    })
}
