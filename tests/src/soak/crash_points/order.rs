//! What outlives SIGKILL may still not outlive a power failure: so the system calls are watched. Before an answer leaves, what it
//! acknowledges has been written, and synced after that.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use crate::fault::Fault;
use crate::setup::Store;
use crate::soak::stacks::companions;
use crate::soak::table::Table;
use crate::soak::tracer::Tracer;
use crate::visitor::Visitor;

const LOGOUTS: usize = 200;
/// Between two of them: whatever one writes it has written by then.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) fn run(store: Store, table: &mut Table) -> Result<(), Fault> {
    let stack = companions(store, "10s")?;
    let client = stack.client_of_replica(0)?;
    let alice = Visitor::named("alice");
    alice.register(&client, &stack.mailbox())?;
    let sessions: Vec<_> = (0..LOGOUTS)
        .map(|_| alice.login(&client))
        .collect::<Result<_, _>>()?;
    // Housekeeping writes too; so does the mail of the last login.
    std::thread::sleep(Duration::from_secs(1));
    let file = stack.folder().join("calls");
    let companion = stack.companion();
    let companion = companion.ok_or_else(|| Fault::new("the companion does not run"))?;
    let trace = "trace=read,recvfrom,pwrite64,fsync,writev,write";
    let output = file.display().to_string();
    let arguments = ["-y", "-s", "16", "-e", trace, "-o", &output];
    let tracer = Tracer::attach(companion.id(), &arguments, stack.folder())?;
    for tokens in &sessions {
        tokens.log_out(&client)?.expect(200, "a logout")?;
        std::thread::sleep(PAUSE);
    }
    drop(tracer);
    let calls = fs::read_to_string(&file).map_err(Fault::while_doing(file.display()))?;
    let answers = synced_answers(&calls).map_err(Fault::new)?;
    if answers < LOGOUTS {
        return Err(Fault::new(format!(
            "{answers} answers were seen to {LOGOUTS} logouts"
        )));
    }
    table.add(
        "crash-points",
        store,
        "answers that left after their sync",
        answers,
    );
    stack.stop()
}

/// How many answers with 200 left, each after a write to the log of the database since its request was read, and a sync of it that had ended.
fn synced_answers(calls: &str) -> Result<usize, String> {
    let (mut is_written, mut is_dirty, mut answers) = (false, false, 0);
    let mut syncing = HashSet::new();
    for line in calls.lines() {
        let (thread, call) = line.split_once(' ').unwrap_or_default();
        let is_of_log = call.contains("/latchkey.db-wal>");
        if call.contains("pwrite64(") && is_of_log {
            (is_written, is_dirty) = (true, true);
        } else if call.contains("\"DELETE /auth") {
            is_written = false;
        } else if call.contains("sync(") && is_of_log {
            syncing.insert(thread);
        } else if call.contains("\"HTTP/1.1 200") {
            if !is_written || is_dirty {
                return Err(format!("an answer left before its sync: {line}"));
            }
            is_written = false;
            answers += 1;
        }
        // A call that another thread came between stands on two lines, of which the second names no file.
        if syncing.contains(thread) && !call.ends_with("<unfinished ...>") {
            syncing.remove(thread);
            is_dirty &= !call.ends_with("= 0");
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: &str = "7 pwrite64(9</x/latchkey.db-wal>, \"\\0\\0\"..., 4096, 32) = 4096\n";
    const SYNC: &str = "7 fsync(9</x/latchkey.db-wal>) = 0\n";
    const ANSWER: &str =
        "6 writev(12<socket:[5]>, [{iov_base=\"HTTP/1.1 200 OK\\r\"..., iov_len=200}], 1) = 200\n";

    #[test]
    fn an_answer_before_the_end_of_its_sync_is_found() {
        let of = |lines: &[&str]| synced_answers(&lines.concat());
        assert_eq!(of(&[WRITE, SYNC, ANSWER, WRITE, SYNC, ANSWER]), Ok(2));
        of(&[WRITE, ANSWER, SYNC]).unwrap_err();
        of(&[WRITE, SYNC, ANSWER, ANSWER]).unwrap_err();
        let request =
            "5 recvfrom(12<socket:[5]>, \"DELETE /auth/v1/\"..., 8192, 0, NULL, NULL) = 300\n";
        assert_eq!(of(&[request, WRITE, SYNC, ANSWER]), Ok(1));
        of(&[WRITE, SYNC, request, ANSWER, WRITE, SYNC]).unwrap_err();
        of(&[WRITE, SYNC, WRITE, ANSWER]).unwrap_err();
        let unfinished = "7 fsync(9</x/latchkey.db-wal> <unfinished ...>\n";
        let resumed = "7 <... fsync resumed>) = 0\n";
        of(&[WRITE, unfinished, ANSWER, resumed]).unwrap_err();
        assert_eq!(of(&[WRITE, unfinished, resumed, ANSWER]), Ok(1));
        let failed = "7 fsync(9</x/latchkey.db-wal>) = -1 EIO (Input/output error)\n";
        of(&[WRITE, failed, ANSWER]).unwrap_err();
    }
}
