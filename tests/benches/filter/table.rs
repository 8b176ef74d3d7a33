//! Samples of a row, and how they are printed.

use std::time::Duration;

use tests::watch::Stopwatch;

/// The times of one row.
pub(crate) struct Row {
    pub(crate) name: String,
    samples: Vec<Duration>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            samples: Vec::new(),
        }
    }

    /// Adds the time of one run.
    pub(crate) fn time<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let watch = Stopwatch::start();
        let outcome = run();
        self.samples.push(watch.elapsed());
        outcome
    }

    /// The sample below which that share of all lie, in microseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut samples = self.samples.clone();
        samples.sort_unstable();
        let last = samples.len().saturating_sub(1);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "few samples, a share between 0 and 1"
        )]
        let at = (last as f64 * share).round() as usize;
        samples[at].as_secs_f64() * 1e6
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.quantile(0.99)
    }
}

/// All rows, their ratios those to `base`, in microseconds.
pub(crate) fn print(title: &str, base: &str, rows: &[Row]) {
    let reference = rows.iter().find(|row| row.name == base).expect(base);
    println!("\n{title}\n");
    println!(
        "{:<52} {:>10} {:>10} {:>8}",
        "", "median µs", "p99 µs", "ratio"
    );
    for row in rows {
        let ratio = row.median() / reference.median();
        println!(
            "{:<52} {:>10.1} {:>10.1} {:>8.2}",
            row.name,
            row.median(),
            row.p99(),
            ratio
        );
    }
}
