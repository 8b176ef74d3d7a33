//! Revocations that nobody asked for, written into the store past its companion.

use std::time::Duration;

use rusqlite::Connection;

use crate::fault::Fault;
use crate::setup::Store;
use crate::stack::Stack;

const PATIENCE: Duration = Duration::from_secs(30);

/// One hour: no access token lives as long, and no run.
const ADD: [(Store, &str); 2] = [
    (
        Store::Sqlite,
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < COUNT)
         INSERT INTO feed (number, mark, session, exp, at)
         SELECT (SELECT number FROM feed_head) + i, randomblob(8), randomblob(16), unixepoch() + 3600, unixepoch() * 1000 FROM n;",
    ),
    (
        Store::Postgres,
        "INSERT INTO feed (number, mark, session, exp, at)
         SELECT (SELECT number FROM feed_head) + i, substring(uuid_send(gen_random_uuid()) FROM 9), uuid_send(gen_random_uuid()),
             extract(epoch FROM now())::bigint + 3600, extract(epoch FROM now())::bigint * 1000
         FROM generate_series(1, COUNT) AS i;",
    ),
];

const MOVE_HEAD: &str = "
    UPDATE feed_head SET number = (SELECT max(number) FROM feed),
        mark = (SELECT mark FROM feed WHERE number = (SELECT max(number) FROM feed));";

/// Adds so many sessions to the end of the feed, as if each had been ended.
pub(super) fn add(stack: &Stack, count: usize) -> Result<(), Fault> {
    let of_store = ADD.iter().find(|(store, _)| *store == stack.store());
    let (_, sql) = of_store.ok_or_else(|| Fault::new("an unknown store"))?;
    execute(
        stack,
        &(sql.replace("COUNT", &count.to_string()) + MOVE_HEAD),
    )
}

/// Gives every number another mark: to whoever has read them, the store is one that was put back and has gone on.
pub(super) fn put_back(stack: &Stack) -> Result<(), Fault> {
    let mark = match stack.store() {
        Store::Sqlite => "randomblob(8)",
        Store::Postgres => "substring(uuid_send(gen_random_uuid()) FROM 9)",
    };
    execute(stack, &format!("UPDATE feed SET mark = {mark};{MOVE_HEAD}"))
}

fn execute(stack: &Stack, sql: &str) -> Result<(), Fault> {
    let sql = format!("BEGIN;{sql}COMMIT;");
    if let Some(server) = stack.postgres() {
        server.execute(Stack::DATABASE, &sql)?;
        // Or the server does it while requests are timed.
        return server.execute(Stack::DATABASE, "VACUUM (ANALYZE) feed");
    }
    let path = stack.folder().join("latchkey.db");
    let write = || {
        let db = Connection::open(&path)?;
        db.busy_timeout(PATIENCE)?;
        db.execute_batch(&sql)
    };
    write().map_err(Fault::while_doing(path.display()))
}
