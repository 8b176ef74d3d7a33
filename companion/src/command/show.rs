//! Answers as an operator reads them.

use std::fmt::Write as _;

use serde_json::Value;

/// An answer, and what it says.
pub(crate) struct Shown {
    /// For other programs.
    pub(crate) answer: Value,
    /// For people.
    pub(crate) text: String,
}

impl Shown {
    pub(crate) fn new(answer: Value, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { answer, text }
    }

    /// An answer that ends sessions.
    pub(crate) fn receipt(answer: Value, done: &str) -> Self {
        let text = format!("{done}; {}", receipt(&answer["revocation"]));
        Self { answer, text }
    }
}

fn receipt(revocation: &Value) -> String {
    if revocation.is_null() {
        return "there was no session to end".to_owned();
    }
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let gateways = &revocation["gateways"];
    let (live, applied) = (number(&gateways["live"]), number(&gateways["applied"]));
    let sessions = match number(&revocation["sessions"]) {
        0 => "the change is made".to_owned(),
        1 => "1 session ended".to_owned(),
        many => format!("{many} sessions ended"),
    };
    if live == applied {
        format!("{sessions}, in force at every gateway")
    } else {
        format!(
            "{sessions}, in force at {applied} of {live} gateways, and at all by {} (receipt {})",
            word(&revocation["effective_by"]),
            word(&revocation["id"])
        )
    }
}

/// Text without what a terminal would obey; `-` for nothing.
pub(crate) fn word(value: &Value) -> String {
    let text = match value {
        Value::Null => return "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) if items.is_empty() => return "-".to_owned(),
        Value::Array(items) => items.iter().map(word).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    text.chars()
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .collect()
}

/// Rows below their heads: each column is a name of the rows' members and its head.
pub(crate) fn table(columns: &[(&str, &str)], rows: &Value) -> String {
    let heads: Vec<String> = columns.iter().map(|(_, head)| (*head).to_owned()).collect();
    let cells = rows.as_array().into_iter().flatten().map(|row| {
        let cells = columns.iter().map(|(name, _)| word(&row[*name]));
        cells.collect::<Vec<_>>()
    });
    let lines: Vec<_> = [heads].into_iter().chain(cells).collect();
    let widths: Vec<_> = (0..columns.len())
        .map(|at| {
            let cells = lines.iter().filter_map(|line| line.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        let mut shown = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(shown, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", shown.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_aligned_and_commands_no_terminal() {
        let rows = json!([{ "a": "x\u{1b}[2J", "b": null }, { "a": ["one", "two"], "b": true }]);
        let text = table(&[("a", "NAME"), ("b", "IS IT")], &rows);
        assert_eq!(text, "NAME     IS IT\nx?[2J    -\none,two  yes\n");
    }

    #[test]
    fn a_receipt_says_how_far_it_has_come() {
        let receipt = |applied| {
            let answer = json!({ "revocation": {
                "id": "7.x", "sessions": 2, "gateways": { "live": 3, "applied": applied },
                "effective_by": "2027-01-15T08:01:00Z",
            }});
            Shown::receipt(answer, "done").text
        };
        assert_eq!(
            receipt(3),
            "done; 2 sessions ended, in force at every gateway"
        );
        assert!(receipt(1).contains("at 1 of 3 gateways, and at all by 2027-01-15T08:01:00Z"));
        let nothing = Shown::receipt(json!({ "revocation": null }), "done").text;
        assert_eq!(nothing, "done; there was no session to end");
    }
}
