use super::*;

fn one(server: &Postgres, database: &str, sql: &str) -> Option<String> {
    server.query_text(database, sql).unwrap()[0][0].clone()
}

#[test]
fn what_is_committed_outlives_a_pulled_plug_and_what_is_not_does_not() {
    let mut server = Postgres::start(None).unwrap();
    server.create_database("kept").unwrap();
    server
        .execute("kept", "CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
        .unwrap();
    let (port, url) = (server.port(), server.url("kept"));
    server.stop_immediate().unwrap();
    assert!(server.part().is_none());
    assert!(server.execute("kept", "SELECT 1").is_err());

    server.start_again().unwrap();
    assert_eq!((server.port(), server.url("kept")), (port, url));
    assert_eq!(
        one(&server, "kept", "SELECT n FROM t").as_deref(),
        Some("7")
    );
    let log = server.part().unwrap().log();
    assert!(log.contains("was not properly shut down"), "{log}");
}

#[test]
fn a_copy_of_the_data_that_is_put_back_knows_nothing_of_what_came_after_it() {
    let mut server = Postgres::start(None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    assert!(
        server
            .copy_data(&backup)
            .unwrap_err()
            .to_string()
            .contains("PostgreSQL runs")
    );
    server
        .execute("postgres", "CREATE TABLE t (n int)")
        .unwrap();
    server.stop_fast().unwrap();
    server.copy_data(&backup).unwrap();
    server.start_again().unwrap();
    server
        .execute("postgres", "INSERT INTO t VALUES (7)")
        .unwrap();
    server.stop_fast().unwrap();
    server.put_back(&backup).unwrap();
    server.start_again().unwrap();
    assert_eq!(
        one(&server, "postgres", "SELECT count(*) FROM t").as_deref(),
        Some("0")
    );
}

#[test]
fn a_folder_that_is_kept_is_the_same_server_at_its_next_start() {
    let folder = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o711))
        .tempdir()
        .unwrap();
    let place = folder.path().join("postgres");
    let first = Postgres::start_in(&place, None).unwrap();
    first.ensure_database("latchkey").unwrap();
    let port = first.port();
    drop(first);
    let second = Postgres::start_in(&place, Some(port)).unwrap();
    second.ensure_database("latchkey").unwrap();
    assert_eq!(
        second.query_text("latchkey", "SELECT NULL, 'a'").unwrap(),
        [[None, Some("a".to_owned())]]
    );
}

#[test]
fn a_fresh_database_is_empty_and_durable_and_nobody_else_gets_it() {
    let server = Postgres::shared();
    let (one_url, other_url) = (
        server.fresh_database().unwrap(),
        server.fresh_database().unwrap(),
    );
    assert_ne!(one_url, other_url);
    let database = one_url.rsplit('/').next().unwrap();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(one(server, database, tables).as_deref(), Some("0"));
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let value = one(server, database, &format!("SHOW {setting}"));
        assert_eq!(value.as_deref(), Some("on"), "{setting}");
    }
    let method = "SELECT DISTINCT auth_method FROM pg_hba_file_rules";
    assert_eq!(
        one(server, database, method).as_deref(),
        Some("scram-sha-256")
    );
}

#[test]
fn a_wrong_statement_is_told_in_the_words_of_the_server() {
    let fault = Postgres::shared()
        .execute("postgres", "SELECT nothing")
        .unwrap_err();
    assert!(fault.to_string().contains("nothing"), "{fault}");
}
