//! Every step of the schema is applied over rows of the state before it.

use std::path::Path;

use sqlx::AssertSqlSafe;
use sqlx::migrate::Migrator;
use store::Db;

use crate::fresh::{Fresh, options};

static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// The sample rows that are valid after migration `version`. Every migration has some.
fn sample(version: i64, dialect: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/samples");
    let path = folder.join(format!("{version:04}.{dialect}.sql"));
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("migration {version} needs {}: {error}", path.display()))
}

#[test]
fn both_dialects_have_the_same_steps() {
    let steps = |migrator: &Migrator| {
        migrator
            .iter()
            .map(|step| (step.version, step.description.to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(steps(&POSTGRES), steps(&SQLITE));
    assert!(!steps(&SQLITE).is_empty());
}

#[tokio::test]
async fn every_step_is_applied_over_rows_of_the_state_before_on_sqlite() {
    let database = testkit::sqlite::fresh();
    let db = Db::connect(database.url(), &options()).await.unwrap();
    let Db::Sqlite { writer, .. } = &db else { unreachable!() };
    for step in SQLITE.iter() {
        SQLITE
            .run_to(step.version, writer)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", step.version));
        sqlx::raw_sql(AssertSqlSafe(sample(step.version, "sqlite")))
            .execute(writer)
            .await
            .unwrap();
    }
    let broken: Vec<String> = sqlx::query_scalar("SELECT \"table\" FROM pragma_foreign_key_check")
        .fetch_all(writer)
        .await
        .unwrap();
    assert!(broken.is_empty(), "rows that refer to nothing in {broken:?}");
}

#[cfg(feature = "services")]
#[tokio::test]
async fn every_step_is_applied_over_rows_of_the_state_before_on_postgres() {
    let database = testkit::postgres::fresh().await;
    let db = Db::connect(database.url(), &options()).await.unwrap();
    let Db::Postgres(pool) = &db else { unreachable!() };
    for step in POSTGRES.iter() {
        POSTGRES
            .run_to(step.version, pool)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", step.version));
        sqlx::raw_sql(AssertSqlSafe(sample(step.version, "postgres")))
            .execute(pool)
            .await
            .unwrap();
    }
}

async fn what_is_pending_is_named_until_it_is_applied(fresh: Fresh) {
    assert_eq!(store::pending_migrations(fresh.store.db()).await.unwrap(), []);
    store::migrate(fresh.store.db()).await.unwrap();
}

async fn check_migrating_at_once(url: &str) {
    let db = Db::connect(url, &options()).await.unwrap();
    let pending = store::pending_migrations(&db).await.unwrap();
    assert!(
        pending.iter().any(|step| step.version == 2 && step.name == "store"),
        "{pending:?}"
    );
    // Two processes, each with its own pool.
    let second = Db::connect(url, &options()).await.unwrap();
    let (first, second) = tokio::join!(store::migrate(&db), store::migrate(&second));
    first.unwrap();
    second.unwrap();
    assert_eq!(store::pending_migrations(&db).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_may_migrate_at_once_on_sqlite() {
    let database = testkit::sqlite::fresh();
    check_migrating_at_once(database.url()).await;
}

#[cfg(feature = "services")]
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_may_migrate_at_once_on_postgres() {
    let database = testkit::postgres::fresh().await;
    check_migrating_at_once(database.url()).await;
}

/// What became of the rows of the state before, in words that both databases understand.
const MOVED: [(&str, i64); 8] = [
    ("SELECT COUNT(*) FROM messages WHERE class IS NULL", 3),
    (
        "SELECT COUNT(*) FROM messages WHERE status = 'opened' AND open_count = 2 AND figures = 1 + 2 + 4 + 16",
        1,
    ),
    (
        "SELECT COUNT(*) FROM messages WHERE status = 'queued' AND figures = 0 AND external_id = 'b'",
        1,
    ),
    (
        "SELECT COUNT(*) FROM messages WHERE interaction_id IS NOT NULL AND subject IS NOT NULL",
        1,
    ),
    (
        "SELECT COUNT(*) FROM message_events WHERE provider = 'sendgrid' AND word = kind",
        3,
    ),
    (
        "SELECT COUNT(*) FROM message_events WHERE url IS NOT NULL AND kind = 'complained'",
        1,
    ),
    (
        "SELECT COUNT(*) FROM delivery_daily WHERE day = 20454 AND opened = 1 AND sent = 1 AND channel = 'email'",
        1,
    ),
    ("SELECT COUNT(*) FROM delivery_daily", 1),
];

#[tokio::test]
async fn messages_and_events_of_before_are_kept_and_counted_on_sqlite() {
    let database = testkit::sqlite::fresh();
    let db = Db::connect(database.url(), &options()).await.unwrap();
    let Db::Sqlite { writer, .. } = &db else { unreachable!() };
    SQLITE.run_to(2, writer).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sample(2, "sqlite")))
        .execute(writer)
        .await
        .unwrap();
    SQLITE.run_to(3, writer).await.unwrap();
    for (statement, expected) in MOVED {
        let found: i64 = sqlx::query_scalar(statement).fetch_one(writer).await.unwrap();
        assert_eq!(found, expected, "{statement}");
    }
}

#[cfg(feature = "services")]
#[tokio::test]
async fn messages_and_events_of_before_are_kept_and_counted_on_postgres() {
    let database = testkit::postgres::fresh().await;
    let db = Db::connect(database.url(), &options()).await.unwrap();
    let Db::Postgres(pool) = &db else { unreachable!() };
    POSTGRES.run_to(2, pool).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sample(2, "postgres")))
        .execute(pool)
        .await
        .unwrap();
    POSTGRES.run_to(3, pool).await.unwrap();
    for (statement, expected) in MOVED {
        let found: i64 = sqlx::query_scalar(statement).fetch_one(pool).await.unwrap();
        assert_eq!(found, expected, "{statement}");
    }
}

macro_rules! linked {
    ($pool:expr) => {{
        let mut counts: Vec<i64> = Vec::new();
        for statement in LINKED {
            counts.push(sqlx::query_scalar(statement).fetch_one($pool).await.unwrap());
        }
        counts
    }};
}

/// What hangs together before interactions became somebody's, and as much after it.
const LINKED: [&str; 3] = [
    "SELECT COUNT(*) FROM interactions WHERE next_action_at IS NOT NULL",
    "SELECT COUNT(*) FROM messages JOIN interactions ON interactions.id = messages.interaction_id",
    "SELECT COUNT(*) FROM inbound_messages JOIN interactions ON interactions.id = inbound_messages.interaction_id",
];

#[tokio::test]
async fn interactions_of_before_and_what_refers_to_them_are_kept_on_sqlite() {
    let database = testkit::sqlite::fresh();
    let db = Db::connect(database.url(), &options()).await.unwrap();
    let Db::Sqlite { writer, .. } = &db else { unreachable!() };
    let mut before = Vec::new();
    for step in SQLITE.iter().filter(|step| step.version <= 11) {
        if step.version == 11 {
            before = linked!(writer);
        }
        SQLITE.run_to(step.version, writer).await.unwrap();
        if step.version < 11 {
            let rows = AssertSqlSafe(sample(step.version, "sqlite"));
            sqlx::raw_sql(rows).execute(writer).await.unwrap();
        }
    }
    assert!(before.iter().all(|count| *count > 0), "{before:?}");
    assert_eq!(linked!(writer), before);
}

#[cfg(feature = "services")]
#[tokio::test]
async fn interactions_of_before_and_what_refers_to_them_are_kept_on_postgres() {
    let database = testkit::postgres::fresh().await;
    let db = Db::connect(database.url(), &options()).await.unwrap();
    let Db::Postgres(pool) = &db else { unreachable!() };
    let mut before = Vec::new();
    for step in POSTGRES.iter().filter(|step| step.version <= 11) {
        if step.version == 11 {
            before = linked!(pool);
        }
        POSTGRES.run_to(step.version, pool).await.unwrap();
        if step.version < 11 {
            let rows = AssertSqlSafe(sample(step.version, "postgres"));
            sqlx::raw_sql(rows).execute(pool).await.unwrap();
        }
    }
    assert!(before.iter().all(|count| *count > 0), "{before:?}");
    assert_eq!(linked!(pool), before);
}

both!(what_is_pending_is_named_until_it_is_applied);
