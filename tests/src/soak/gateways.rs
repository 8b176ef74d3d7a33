//! One companion, as operators run it, and thousands of gateways that hold their polls: what each costs in memory, and how long it takes
//! until all of them have a revocation and have said so.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::table::Table;
use crate::fault::Fault;
use crate::place;
use crate::server::Server;
use crate::setup::Store;
use crate::watch::{Stopwatch, wait_for};

/// Logouts, of which one is due each so often, however long the one before takes.
const LOGOUTS: usize = 20;
const EVERY: Duration = Duration::from_secs(1);
/// Connections that are opened in one moment.
const AT_ONCE: usize = 100;
const PATIENCE: Duration = Duration::from_secs(120);
/// The number of a gateway that has no page yet.
const NOTHING: u64 = u64::MAX;

pub(super) fn run(store: Store, gateways: usize, table: &mut Table) -> Result<(), Fault> {
    allow_files(gateways as u64 + 500)?;
    let (build, program) = place::companion()?;
    let server = Server::start(&program)?;
    let owner = server.account("owner")?;
    let client = server.client()?;
    let (before, _) = server.memory()?;
    let token = server.state().join("gateway.token");
    let token = fs::read_to_string(&token).map_err(Fault::while_doing(token.display()))?;
    let runtime = Runtime::new().map_err(Fault::while_doing("a runtime"))?;
    let seen: Arc<[AtomicU64]> = (0..gateways).map(|_| AtomicU64::new(NOTHING)).collect();
    let faults = Arc::new(AtomicUsize::new(0));
    let watch = Stopwatch::start();
    for number in 0..gateways {
        let gateway = Gateway {
            port: server.internal,
            id: format!("{number:032x}"),
            token: token.trim().to_owned(),
        };
        let (seen, faults) = (Arc::clone(&seen), Arc::clone(&faults));
        runtime.spawn(async move {
            if gateway.follow(&seen[number]).await.is_err() {
                faults.fetch_add(1, Ordering::SeqCst);
            }
        });
        if number % AT_ONCE == AT_ONCE - 1 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // Each has its first page, and holds the next poll.
    wait_for("all gateways to be synced", PATIENCE, || {
        let is_synced = |seen: &AtomicU64| seen.load(Ordering::SeqCst) != NOTHING;
        Ok(seen.iter().all(is_synced).then_some(()))
    })?;
    let joined = watch.elapsed();
    std::thread::sleep(Duration::from_secs(2));
    let (after, _) = server.memory()?;
    let sessions: Vec<_> = (0..LOGOUTS)
        .map(|_| owner.login(&client))
        .collect::<Result<_, _>>()?;
    let mut receipts = Vec::new();
    let watch = Stopwatch::start();
    let mut due = Duration::ZERO;
    for tokens in sessions {
        std::thread::sleep(due.saturating_sub(watch.elapsed()));
        let logout = client
            .delete("/auth/v1/sessions/current")
            .bearer(&tokens.access);
        let answer = logout.header("prefer", "wait=30").send()?;
        let answer = answer.expect(200, "a logout")?;
        let receipt = watch.elapsed() - due;
        due += EVERY;
        let live = answer.json()["revocation"]["gateways"]["live"].as_u64();
        if live != Some(gateways as u64) {
            return Err(Fault::new(format!(
                "{live:?} gateways are live: {}",
                answer.text()
            )));
        }
        let number = answer.json()["revocation"]["seq"].as_u64();
        let has_it = |seen: &AtomicU64| Some(seen.load(Ordering::SeqCst)) >= number;
        if number.is_none() || !seen.iter().all(has_it) {
            return Err(Fault::new(
                "a receipt with 200 before all have the revocation",
            ));
        }
        receipts.push(receipt);
    }
    let (_, most) = server.memory()?;
    receipts.sort_unstable();
    let faults = faults.load(Ordering::SeqCst);
    let kibibytes = (after - before) * 1024.0 / gateways as f64;
    for (what, figure) in [
        (
            "gateways that hold a poll",
            format!("{gateways} ({build} build)"),
        ),
        ("logouts, one each second", LOGOUTS.to_string()),
        ("until all were synced", format!("{joined:.1?}")),
        ("memory for each held poll", format!("{kibibytes:.1} KiB")),
        ("memory of the companion, at most", format!("{most:.0} MiB")),
        (
            "until all have a revocation and said so, p50",
            format!("{:.1?}", receipts[LOGOUTS / 2]),
        ),
        (
            "the same, slowest",
            format!("{:.1?}", receipts[LOGOUTS - 1]),
        ),
        ("gateways that lost their connection", faults.to_string()),
    ] {
        table.add("gateways", store, what, figure);
    }
    runtime.shutdown_background();
    if faults > 0 {
        return Err(Fault::new(format!(
            "{faults} gateways lost their connection"
        )));
    }
    Ok(())
}

/// Each poll is a file here, and one in the companion, which inherits the limit.
fn allow_files(count: u64) -> Result<(), Fault> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    if maximum.is_some_and(|maximum| maximum < count) {
        return Err(Fault::new(format!(
            "{count} files are needed, and the limit (ulimit -H -n) is {maximum:?}"
        )));
    }
    let current = Some(count);
    setrlimit(Resource::Nofile, Rlimit { current, maximum })
        .map_err(Fault::while_doing("the limit of open files"))
}

/// One gateway's feed.
struct Gateway {
    port: u16,
    id: String,
    token: String,
}

impl Gateway {
    /// Polls for ever, and notes the number that it has come to. It believes what it is told: there are too many of it to check signatures.
    async fn follow(&self, seen: &AtomicU64) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let mut after = "0".to_owned();
        let mut hold = 0;
        loop {
            let request = format!(
                "GET /gateway/v1/revocations?v=1&gateway={}&after={after}&hold={hold}&staleness=60 HTTP/1.1\r\nhost: companion\r\nauthorization: Bearer {}\r\n\r\n",
                self.id, self.token
            );
            stream.write_all(request.as_bytes()).await?;
            let page = answer(&mut stream).await?;
            let page = payload(&page).ok_or_else(|| std::io::Error::other("no page"))?;
            after = match (page["seq"].as_u64(), page["mark"].as_str()) {
                (Some(seq), Some(mark)) if !mark.is_empty() => format!("{seq}.{mark}"),
                _ => "0".to_owned(),
            };
            hold = 10;
            seen.store(page["seq"].as_u64().unwrap_or_default(), Ordering::SeqCst);
        }
    }
}

/// The body of the next answer, which must be 200 with a length.
async fn answer(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let wrong = |what: &str| std::io::Error::other(what.to_owned());
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            if !text.starts_with("http/1.1 200") {
                return Err(wrong(&text));
            }
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length
                .and_then(|length| length.trim().parse().ok())
                .ok_or_else(|| wrong("no length"))?;
            if bytes.len() >= head + 4 + length {
                return Ok(bytes[head + 4..head + 4 + length].to_vec());
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(wrong("the connection was closed"));
        }
    }
}

fn payload(page: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(page).ok()?;
    let payload = text.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}
