//! The log: one JSON object to a line, on whatever it is given to write to. The fields of an event and those of the spans around it
//! stand side by side, so that every line of a request has its `request_id`.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::panic;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Registry};

/// Libraries speak of what is the companion's own to tell.
const DEFAULT: &str = "info,refinery_core=warn,tokio_postgres=warn";

/// What `LATCHKEY_LOG` asks for, or all that is worth to be told.
pub fn level() -> EnvFilter {
    EnvFilter::try_from_env("LATCHKEY_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT))
}

/// What writes such lines to `writer`.
pub fn to<W>(level: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Registry::default().with(level).with(Lines(writer))
}

/// A panic is one line too, by its place: its text may repeat what a client sent (AU-02).
pub fn tell_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "a panic");
    }));
}

struct Lines<W>(W);

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        fields.add("timestamp", now());
        fields.add("level", event.metadata().level().to_string());
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                for (name, value) in &of_span.0 {
                    fields.add(name, value.clone());
                }
            }
        }
        fields.add("source", event.metadata().target());
        // In one write, so that lines do not mix; there is nowhere to say that it failed.
        let _ = self.0.make_writer().write_all(fields.line().as_bytes());
    }
}

/// RFC 3339, UTC.
fn now() -> String {
    let mut text = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// Names and values, each name once: the first that comes stays.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        if self.0.iter().all(|(known, _)| *known != name) {
            self.0.push((name, value.into()));
        }
    }

    /// AU-03: whatever a client has sent stays inside of one line, and is no command to a terminal.
    fn line(&self) -> String {
        let mut line = String::from("{");
        for (name, value) in &self.0 {
            let separator = if line.len() > 1 { "," } else { "" };
            let _ = write!(line, "{separator}{}:", Value::from(*name));
            for character in value.to_string().chars() {
                match character {
                    // JSON escapes those of ASCII itself, but for DEL.
                    '\u{7f}'..='\u{9f}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2066}'..='\u{2069}'
                    | '\u{feff}' => {
                        let _ = write!(line, "\\u{:04x}", u32::from(character));
                    }
                    _ => line.push(character),
                }
            }
        }
        line.push_str("}\n");
        line
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(work: impl FnOnce()) -> String {
        let memory = Memory::default();
        let kept = memory.clone();
        let subscriber = to(EnvFilter::new("info"), move || memory.clone());
        tracing::subscriber::with_default(subscriber, work);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// AU-03: line breaks, escape sequences and what turns text around.
    #[test]
    fn what_a_client_sends_stays_inside_of_one_json_line() {
        let hostile = "a\r\nb\u{1b}[2J\0\t\"\\\u{7f}\u{9b}2J\u{85}\u{2028}\u{202e}\u{2066}\u{feff}";
        let text = written(|| {
            let span = tracing::error_span!("request", request_id = hostile);
            span.in_scope(|| tracing::info!(event = "x", sent = hostile, "said {hostile}"));
        });
        assert_eq!(text.matches('\n').count(), 1);
        let is_safe = |character: char| character == '\n' || !character.is_control();
        assert!(text.chars().all(is_safe), "{text:?}");
        assert!(!text.contains(['\u{2028}', '\u{202e}', '\u{2066}', '\u{feff}']));
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["sent"], hostile);
        assert_eq!(line["request_id"], hostile);
        assert_eq!(line["message"], format!("said {hostile}"));
        assert_eq!(
            (&line["level"], &line["event"]),
            (&"INFO".into(), &"x".into())
        );
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(
            timestamp.ends_with('Z') && timestamp.len() >= 20,
            "{timestamp}"
        );
    }

    #[test]
    fn a_line_has_each_name_once() {
        let text = written(|| {
            let span = tracing::error_span!("request", request_id = "1", sent = "by the span");
            span.in_scope(|| tracing::warn!(sent = "by the event", count = 3, is_so = true));
        });
        assert_eq!(text.matches("\"sent\"").count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["sent"], &line["count"]),
            (&"by the event".into(), &3.into())
        );
        assert_eq!(
            (&line["is_so"], &line["request_id"]),
            (&true.into(), &"1".into())
        );
    }
}
