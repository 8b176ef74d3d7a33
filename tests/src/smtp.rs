//! A real SMTP server (aiosmtpd), which takes mail, refuses it or lets wait as the test tells it to.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::fault::Fault;
use crate::mailbox::Mailbox;
use crate::place;

/// How it is reached.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// `none`, `starttls` or `required`; `none` when it is empty.
    pub tls: String,
    /// Certificate and key, as PEM files.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// `name:password` that a client must log in with.
    pub login: Option<String>,
}

/// A running server; dropping it ends it.
pub struct SmtpServer {
    child: Child,
    port: u16,
    security: Security,
    /// Must be the last field: the server lives in it.
    folder: TempDir,
}

impl SmtpServer {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub fn start(security: Security) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a temporary directory"))?;
        let (child, port) = run(folder.path(), 0, &security)?;
        Ok(Self {
            child,
            port,
            security,
            folder,
        })
    }

    /// Where it listens on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it; who calls is refused.
    pub fn stop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&mut self) -> Result<(), Fault> {
        let (child, _) = run(self.folder.path(), self.port, &self.security)?;
        self.child = child;
        Ok(())
    }

    /// What it has taken.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox::new(self.folder.path().join("mail"))
    }

    /// How it answers to the mails for that address, try after try; see the head of the server's script.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn answer(&self, address: &str, answers: &str) -> Result<(), Fault> {
        fs::write(self.rule(address), answers).map_err(Fault::while_doing(address))
    }

    /// It takes what waits for that address, and whatever comes for it.
    ///
    /// # Errors
    /// When there was no rule.
    pub fn release(&self, address: &str) -> Result<(), Fault> {
        fs::remove_file(self.rule(address)).map_err(Fault::while_doing(address))
    }

    /// A line for each mail that somebody tried to hand over to that address.
    pub fn tries(&self, address: &str) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines()
            .filter(|line| line.split(' ').next() == Some(address))
            .map(ToOwned::to_owned)
            .collect()
    }

    fn rule(&self, address: &str) -> PathBuf {
        self.folder.path().join("rules").join(address)
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(folder: &Path, port: u16, security: &Security) -> Result<(Child, u16), Fault> {
    let mut command = Command::new(place::python()?);
    command
        .arg(place::root().join("tests/smtp/server.py"))
        .arg("--folder")
        .arg(folder)
        .args(["--port", &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if !security.tls.is_empty() {
        command.args(["--tls", &security.tls]);
    }
    if let Some((certificate, key)) = &security.certificate {
        command.arg("--certificate").arg(certificate);
        command.arg("--key").arg(key);
    }
    if let Some(login) = &security.login {
        command.args(["--login", login]);
    }
    let mut child = command
        .spawn()
        .map_err(Fault::while_doing("the SMTP server"))?;
    let mut line = String::new();
    let output = child.stdout.take().map(BufReader::new);
    if let Some(mut output) = output {
        output
            .read_line(&mut line)
            .map_err(Fault::while_doing("the SMTP server"))?;
    }
    let port = line.trim().parse();
    let port = port.map_err(|_| Fault::new("the SMTP server did not start"))?;
    Ok((child, port))
}
