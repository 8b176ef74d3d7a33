//! What the companions of this process log, at the most talkative level: kept in memory, and in a file of the folder that
//! `LATCHKEY_TEST_LOGS` names.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use companion::log;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// All that was logged.
static KEPT: Mutex<Kept> = Mutex::new(Kept {
    bytes: Vec::new(),
    file: None,
});

struct Kept {
    bytes: Vec<u8>,
    file: Option<File>,
}

struct Keeper;

impl Write for Keeper {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        crate::companion::lines::append(line);
        let mut kept = kept();
        kept.bytes.extend_from_slice(line);
        if let Some(file) = &mut kept.file {
            file.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what is logged from now on; every companion in this process begins with that.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        kept().file = file();
        let subscriber = log::to(EnvFilter::new("trace"), || Keeper);
        // A program with a log of its own keeps that.
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
}

fn file() -> Option<File> {
    let folder = env::var_os("LATCHKEY_TEST_LOGS")?;
    let program = env::current_exe().ok()?;
    let name = program.file_name()?.to_string_lossy().into_owned();
    File::create(Path::new(&folder).join(format!("{name}-{}.log", std::process::id()))).ok()
}

/// All of it.
pub fn bytes() -> Vec<u8> {
    kept().bytes.clone()
}

/// The lines in which that text is.
pub fn lines_with(text: &str) -> Vec<Value> {
    let bytes = bytes();
    bytes
        .split(|byte| *byte == b'\n')
        .map(String::from_utf8_lossy)
        .filter(|line| line.contains(text))
        .map(|line| serde_json::from_str(&line).unwrap_or(Value::Null))
        .collect()
}

/// The events of the request with that id.
pub fn events_of(request_id: &str) -> Vec<Value> {
    let mut lines = lines_with(request_id);
    lines.retain(|line| line["request_id"] == request_id && line.get("event").is_some());
    lines
}
