//! The summary.

use tests::setup::Store;

/// What was measured, by part and store.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 4]>);

impl Table {
    /// One more figure.
    pub(crate) fn add(&mut self, part: &str, store: Store, what: &str, figure: impl ToString) {
        let store = match store {
            Store::Sqlite => "SQLite",
            Store::Postgres => "PostgreSQL",
        };
        let row = [part, store, what].map(str::to_owned);
        let [part, store, what] = row;
        self.0.push([part, store, what, figure.to_string()]);
    }

    /// On the screen.
    pub(crate) fn print(&self) {
        println!();
        for [part, store, what, figure] in &self.0 {
            println!("{part:<8} {store:<11} {what:<56} {figure:>12}");
        }
        println!();
    }
}
