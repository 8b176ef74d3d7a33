//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::Histogram;

/// What Prometheus asks for.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics.
#[derive(Default)]
pub struct Text(String);

impl Text {
    /// What a family is; its samples follow.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// One value. Labels are words of the code, or digits: nothing in them needs to be escaped.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// A family of one value.
    pub fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The samples of a histogram.
    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let (counts, seconds) = histogram.read();
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        for (bound, count) in counts {
            total += count;
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
            let mut with_bound = labels.to_vec();
            with_bound.push(("le", &bound));
            self.sample(&bucket, &with_bound, total);
        }
        self.sample(&format!("{name}_sum"), labels, seconds);
        self.sample(&format!("{name}_count"), labels, total);
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_page_is_as_prometheus_reads_it() {
        let mut text = Text::default();
        text.one("a_total", "counter", "How often.", 3);
        text.family("b", "gauge", "What.");
        text.sample("b", &[("x", "1"), ("y", "z")], 0.5);
        let histogram = Histogram::default();
        for milliseconds in [1, 30, 30_000, 600_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        text.family("c_seconds", "histogram", "How long.");
        text.histogram("c_seconds", &[("d", "e")], &histogram);
        let text = text.finish();
        for line in [
            "# HELP a_total How often.",
            "# TYPE a_total counter",
            "a_total 3",
            "b{x=\"1\",y=\"z\"} 0.5",
            "c_seconds_bucket{d=\"e\",le=\"0.001\"} 1",
            "c_seconds_bucket{d=\"e\",le=\"0.05\"} 2",
            "c_seconds_bucket{d=\"e\",le=\"30\"} 3",
            "c_seconds_bucket{d=\"e\",le=\"+Inf\"} 4",
            "c_seconds_sum{d=\"e\"} 630.031",
            "c_seconds_count{d=\"e\"} 4",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }
}
