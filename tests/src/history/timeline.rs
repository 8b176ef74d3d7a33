//! A history for the reader: one line for each call, in the order in which they were sent.

use super::{Call, Record, Reply};

/// The lines, each with the call's number in the records and its times in microseconds.
pub(super) fn of(records: &[Record]) -> String {
    let mut numbered: Vec<_> = records.iter().enumerate().collect();
    numbered.sort_by_key(|(number, record)| (record.called, *number));
    numbered
        .into_iter()
        .map(|(number, record)| format!("  {}\n", line(number, record)))
        .collect()
}

/// One call with its reply.
fn line(number: usize, record: &Record) -> String {
    let returned = match record.returned {
        u64::MAX => "ever".to_owned(),
        returned => returned.to_string(),
    };
    format!(
        "{number:>2} {:>9} to {returned:>9} µs  {:<10} {}",
        record.called,
        call(record.call),
        reply(&record.reply)
    )
}

/// In few words.
pub(super) fn call(call: Call) -> String {
    match call {
        Call::Refresh { generation } => format!("refresh {generation}"),
        Call::Forged => "forged".to_owned(),
        Call::Logout => "logout".to_owned(),
    }
}

/// In few words, without the token.
pub(super) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Rotated { generation, .. } => format!("ok {generation}"),
        Reply::Denied => "denied".to_owned(),
        Reply::Ended => "ended".to_owned(),
        Reply::Lost => "no reply".to_owned(),
        Reply::Failed(status) => format!("failed with {status}"),
    }
}
