use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use companion::config::StoreKind;
use companion::sqlite::Departure;
use tests::command::{Printed, latchkey};
use tests::companion::{Companion, Gateway};
use tests::postgres::Postgres;

/// The file with the URL of a new database, beside the companion's state.
fn database(companion: &Companion) -> PathBuf {
    let file = companion.state().with_file_name("database.url");
    fs::write(&file, Postgres::shared().fresh_database().unwrap()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

fn migrate(companion: &Companion, to: &std::path::Path) -> Printed {
    let to = to.to_str().unwrap();
    latchkey(companion.state(), &["migrate", "--to-file", to], &[]).unwrap()
}

fn use_postgres(companion: &mut Companion, url: PathBuf) {
    companion.change(|settings| {
        settings.store.kind = StoreKind::Postgres;
        settings.store.url_file = Some(url);
    });
}

/// ST-07: sessions, codes, limits and cursors go on where they were.
#[test]
fn an_embedded_store_moves_over_and_nobody_notices() {
    let mut companion = Companion::start().unwrap();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    let [kept, ended] = [(), ()].map(|()| alice.login(&client).unwrap());
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let logout = ended.log_out(&client).unwrap();
    gateway.catch_up().unwrap();
    let cursor = gateway.cursor();
    let receipt = logout.string("/revocation/id");
    let url = database(&companion);

    // Not while a companion works on it.
    assert!(!migrate(&companion, &url).is_success);
    companion.stop().unwrap();
    let printed = migrate(&companion, &url).expect().unwrap();
    for counted in [
        "accounts: 1",
        "sessions: 2",
        "feed: 2",
        "signing_keys: 2",
        "gateways: 1",
    ] {
        assert!(printed.contains(counted), "{printed}");
    }
    let closed = companion.resume().unwrap_err().to_string();
    assert!(closed.contains("moved to PostgreSQL"), "{closed}");

    use_postgres(&mut companion, url);
    companion.resume().unwrap();
    let client = companion.client().unwrap();
    let next = kept.refresh(&client).unwrap();
    assert_eq!(kept.refresh(&client).unwrap().refresh, next.refresh);
    assert_eq!(ended.try_refresh(&client).unwrap().status, 401);
    let again = client
        .get(&format!("/auth/v1/revocations/{receipt}"))
        .send()
        .unwrap();
    assert_eq!(again.string("/revocation/id"), receipt);
    // The gateway goes on from its cursor, and counts.
    gateway.reconnect(&companion).unwrap();
    let page = gateway.poll(0).unwrap();
    assert_eq!((page.after, gateway.cursor()), (cursor.number, cursor));
    let logout = next.log_out(&client).unwrap();
    assert_eq!(logout.status, 202, "{}", logout.text());
    assert_eq!(logout.json()["revocation"]["seq"], 3);
    gateway.catch_up().unwrap();
    assert!(gateway.revoked(&next.session).is_some());
    assert_eq!(alice.try_login(&client).unwrap().status, 201);
}

#[test]
fn a_move_that_was_interrupted_is_finished_by_the_same_command() {
    let mut companion = Companion::start().unwrap();
    companion.account("alice").unwrap();
    companion.stop().unwrap();
    let url = database(&companion);
    // The end came between closing the one store and the commit in the other.
    let departure = Departure::begin(companion.state()).unwrap();
    let id = departure.id().unwrap();
    departure.close(&id).unwrap();
    drop(departure);
    assert!(companion.resume().is_err());
    let printed = migrate(&companion, &url).expect().unwrap();
    assert!(printed.contains("accounts: 1"), "{printed}");
    // And once more after everything.
    let printed = migrate(&companion, &url).expect().unwrap();
    assert!(printed.contains("had been moved before"), "{printed}");
}

#[test]
fn a_database_that_holds_another_store_is_not_touched() {
    let mut first = Companion::start().unwrap();
    first.stop().unwrap();
    let url = database(&first);
    use_postgres(&mut first, url.clone());
    first.resume().unwrap();
    let mut second = Companion::start().unwrap();
    second.stop().unwrap();
    let refused = migrate(&second, &url);
    assert!(
        !refused.is_success && refused.text.contains("another store"),
        "{}",
        refused.text
    );
    // Nothing was moved: it goes on as before.
    second.resume().unwrap();
    first.account("alice").unwrap();
}

/// ST-02, ST-03: the URL is a secret.
#[test]
fn a_readable_url_file_is_refused_and_no_error_repeats_the_url() {
    let mut companion = Companion::start().unwrap();
    companion.stop().unwrap();
    let url = database(&companion);
    fs::set_permissions(&url, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(migrate(&companion, &url).text.contains("0600"));
    for wrong in [
        "postgres://latchkey:hunter2@127.0.0.1:1/x",
        "host=127.0.0.1 user=latchkey password=hunter2",
        "postgres://latchkey:hunter2@127.0.0.1:99999/x",
    ] {
        let arguments = ["migrate", "--to", wrong];
        let refused = latchkey(companion.state(), &arguments, &[]).unwrap();
        let text = refused.text;
        assert!(!refused.is_success && !text.contains("hunter2"), "{text}");
        assert!(text.contains("--to-file or --to-env"), "{text}");
    }
    // What it says is read from the variable; nobody listens there.
    let url = ("THE_URL", "postgres://latchkey:hunter2@127.0.0.1:1/x");
    let refused = latchkey(
        companion.state(),
        &["migrate", "--to-env", "THE_URL"],
        &[url],
    )
    .unwrap();
    let text = refused.text;
    assert!(!refused.is_success && !text.contains("hunter2"), "{text}");
    assert!(text.contains("PostgreSQL"), "{text}");
}
