//! The summary.

use crate::setup::Store;

/// What was measured, by part and store.
#[derive(Default)]
pub struct Table(Vec<[String; 4]>);

impl Table {
    /// One more figure.
    pub fn add(&mut self, part: &str, store: Store, what: &str, figure: impl ToString) {
        let store = match store {
            Store::Sqlite => "SQLite",
            Store::Postgres => "PostgreSQL",
        };
        let row = [part, store, what].map(str::to_owned);
        let [part, store, what] = row;
        self.0.push([part, store, what, figure.to_string()]);
    }

    /// On the screen.
    pub fn print(&self) {
        let width = |column: usize| {
            let lengths = self.0.iter().map(|row| row[column].chars().count());
            lengths.max().unwrap_or_default()
        };
        let [part, store, what, figure] = [0, 1, 2, 3].map(width);
        println!();
        for row in &self.0 {
            println!(
                "{:part$}  {:store$}  {:what$}  {:>figure$}",
                row[0], row[1], row[2], row[3]
            );
        }
        println!();
    }
}
