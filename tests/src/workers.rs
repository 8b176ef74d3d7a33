//! Envoy's workers from outside: which of them a connection went to, by the counters of its admin interface.

use std::collections::BTreeMap;

use crate::client::Client;
use crate::fault::Fault;
use crate::ports::Ports;
use crate::stack::READY_PATH;

/// More connections than this to one worker and none to the other do not happen by chance.
const TRIES: usize = 200;

/// A caller whose connection one worker holds.
#[derive(Clone, Debug)]
pub struct AtWorker {
    /// The worker, from 0.
    pub worker: usize,
    /// The caller.
    pub client: Client,
}

/// `each` callers at each of the two workers. Nobody else may open connections to the gateway meanwhile.
///
/// # Errors
/// When one worker gets no connections.
pub fn at_both_workers(ports: Ports, each: usize) -> Result<Vec<AtWorker>, Fault> {
    let mut callers: Vec<AtWorker> = Vec::new();
    let count = |callers: &[AtWorker], worker| {
        let mut count = callers.iter().filter(|caller| caller.worker == worker);
        count.by_ref().count()
    };
    for _ in 0..TRIES {
        if (0..2).all(|worker| count(&callers, worker) >= each) {
            return Ok(callers);
        }
        let before = connections(ports)?;
        let client = Client::new(ports.gateway)?;
        client.get(READY_PATH).send()?;
        let after = connections(ports)?;
        let worker = after
            .iter()
            .position(|(worker, count)| before.get(worker) != Some(count));
        let worker = worker.ok_or_else(|| Fault::new("no worker counted the connection"))?;
        if count(&callers, worker) < each {
            callers.push(AtWorker { worker, client });
        }
    }
    Err(Fault::new("one worker got no connections"))
}

/// How many connections each worker has taken since Envoy started, by the worker's name.
///
/// # Errors
/// When the admin interface does not answer.
pub fn connections(ports: Ports) -> Result<BTreeMap<String, u64>, Fault> {
    let stats = stats(ports, "worker_.*downstream_cx_total")?;
    let of_gateway = format!("_{}.", ports.gateway);
    Ok(stats
        .into_iter()
        .filter(|(name, _)| name.contains(&of_gateway))
        .collect())
}

/// Envoy's counters and gauges whose names hold this pattern.
///
/// # Errors
/// When the admin interface does not answer.
pub fn stats(ports: Ports, pattern: &str) -> Result<BTreeMap<String, u64>, Fault> {
    let path = format!("/stats?filter={}", pattern.replace('|', "%7C"));
    let answer = Client::new(ports.envoy_admin)?.get(&path).send()?;
    let text = answer.expect(200, "Envoy's stats")?.text();
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect())
}
