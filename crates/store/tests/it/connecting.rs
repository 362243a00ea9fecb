//! Connecting, and databases that are away.

use domain::EmailEvent;
use store::{ConnectOptions, Db, StoreError};

use crate::fresh::{Fresh, event, now, options};

async fn a_ping_is_answered(fresh: Fresh) {
    fresh.store.db().ping().await.unwrap();
    // A second program on the same database.
    let second = Db::connect(&fresh.url, &options()).await.unwrap();
    second.ping().await.unwrap();
    second.close().await;
    assert!(matches!(second.ping().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn an_address_of_another_kind_is_refused_without_repeating_it() {
    for url in [
        "mysql://root:hunter2@host/db",
        "",
        "sqlite::memory:",
        "sqlite://x?mode=memory",
        "postgres://[hunter2",
    ] {
        let refused = Db::connect(url, &ConnectOptions::default()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Url(_)), "{url}: {refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn an_sqlite_file_that_cannot_be_opened_is_unavailable() {
    let refused = Db::connect("sqlite:///proc/no/such/place.db", &ConnectOptions::default())
        .await
        .unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
}

#[tokio::test]
async fn an_sqlite_file_is_made_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("new.db").display());
    for round in 0..2 {
        let db = Db::connect(&url, &options()).await.unwrap();
        store::migrate(&db).await.unwrap();
        let keyring = seal::Keyring::parse(&seal::Keyring::generate("k")).unwrap();
        let store = store::Store::new(db, keyring);
        assert_eq!(store.tenants().await.unwrap().len(), round);
        store.create_tenant(&format!("tenant {round}"), now()).await.unwrap();
        store.db().close().await;
    }
}

/// Who may do what with each file of a folder, by its name.
#[cfg(unix)]
fn modes(folder: &std::path::Path) -> Vec<(String, u32)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, entry.metadata().unwrap().permissions().mode() & 0o777)
    };
    let mut modes: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| mode(entry.unwrap()))
        .collect();
    modes.sort();
    modes
}

#[cfg(unix)]
#[tokio::test]
async fn an_sqlite_file_and_what_lies_beside_it_are_its_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let url = format!("sqlite://{}", path.display());
    let db = Db::connect(&url, &options()).await.unwrap();
    store::migrate(&db).await.unwrap();
    let expected = ["new.db", "new.db-shm", "new.db-wal"].map(|name| (name.to_owned(), 0o600));
    assert_eq!(modes(folder.path()), expected);
    db.close().await;

    // Somebody wants others to read it.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let db = Db::connect(&url, &options()).await.unwrap();
    assert_eq!(modes(folder.path())[0], ("new.db".to_owned(), 0o640));
    db.close().await;
}

/// Or whoever writes would look at a busy file after ever longer pauses, whenever the queue writes to it.
#[tokio::test]
async fn writes_to_an_sqlite_file_wait_for_their_turn() {
    let fresh = Fresh::sqlite().await;
    let Db::Sqlite { readers, turns, .. } = fresh.store.db() else {
        unreachable!()
    };
    let turn = turns.take().await;
    let mut transaction = std::pin::pin!(fresh.store.forget_crossings(now(), 1));
    let mut statement = std::pin::pin!(fresh.store.purge_challenges(now(), 1));
    for _ in 0..20 {
        tokio::select! {
            biased;
            written = &mut transaction => panic!("it is not its turn: {written:?}"),
            written = &mut statement => panic!("it is not its turn: {written:?}"),
            read = sqlx::query("SELECT count(*) FROM tenants").fetch_one(readers) => drop(read.unwrap()),
        }
    }
    drop(turn);
    transaction.await.unwrap();
    statement.await.unwrap();
}

/// SQLite then ends the transaction by itself, of which the driver does not hear.
#[tokio::test]
async fn after_a_full_disk_an_sqlite_file_is_written_to_again() {
    let fresh = Fresh::sqlite().await;
    let Db::Sqlite { writer, .. } = fresh.store.db() else {
        unreachable!()
    };
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(writer).await.unwrap();
    let full = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 5));
    sqlx::query(full).execute(writer).await.unwrap();
    let record = |number: usize| event(&number.to_string(), EmailEvent::Delivered, &number.to_string());
    let mut kept = 0;
    let refused = loop {
        let next = record(kept);
        let written = fresh
            .store
            .record_email_event(fresh.tenant, fresh.endpoint, &next, now());
        match written.await {
            Ok(_) => kept += 1,
            Err(refused) => break refused,
        }
        assert!(kept < 10_000, "it never gets full");
    };
    assert!(refused.is_transient(), "{refused:?}");
    // There is room again.
    sqlx::query("PRAGMA max_page_count = 1000000")
        .execute(writer)
        .await
        .unwrap();
    fresh.record(&record(kept)).await;
}

#[tokio::test]
async fn starting_while_postgres_is_away_succeeds_and_a_call_says_so() {
    // A port that was free a moment ago: nobody answers there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let options = ConnectOptions {
        acquire_timeout: std::time::Duration::from_millis(200),
        ..ConnectOptions::default()
    };
    let db = Db::connect(&format!("postgres://u:hunter2@127.0.0.1:{port}/x"), &options)
        .await
        .unwrap();
    let refused = db.ping().await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
}

/// What promise "no restart after the database was away" rests on.
#[cfg(feature = "services")]
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_comes_back_is_found_again() {
    use sqlx::postgres::PgConnectOptions;

    let fresh = Fresh::postgres().await;
    let server: PgConnectOptions = fresh.url.parse().unwrap();
    let address = format!("{}:{}", server.get_host(), server.get_port());
    let target = tokio::net::lookup_host(&address).await.unwrap().next().unwrap();
    let proxy = testkit::Proxy::to(target).await;
    let url = fresh.url.replacen(&address, &proxy.addr().to_string(), 1);
    assert_ne!(url, fresh.url);
    let options = ConnectOptions {
        acquire_timeout: std::time::Duration::from_millis(300),
        ..ConnectOptions::default()
    };
    let db = Db::connect(&url, &options).await.unwrap();
    db.ping().await.unwrap();

    proxy.cut();
    assert!(db.ping().await.unwrap_err().is_transient());
    assert!(db.ping().await.unwrap_err().is_transient());
    proxy.restore();
    db.ping().await.unwrap();

    proxy.hang();
    assert!(db.ping().await.unwrap_err().is_transient());
    proxy.restore();
    db.ping().await.unwrap();
}

/// A process that is stopped in the middle of a transaction must not hold its locks for ever.
#[cfg(feature = "services")]
#[tokio::test]
async fn no_postgres_connection_waits_for_ever() {
    let fresh = Fresh::postgres().await;
    let Db::Postgres(pool) = fresh.store.db() else {
        unreachable!()
    };
    for (setting, expected) in [
        ("SHOW idle_in_transaction_session_timeout", "10s"),
        ("SHOW lock_timeout", "5s"),
        ("SHOW statement_timeout", "20s"),
    ] {
        let shown: String = sqlx::query_scalar(setting).fetch_one(pool).await.unwrap();
        assert_eq!(shown, expected, "{setting}");
    }
}

both!(a_ping_is_answered);
