//! On SQLite.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::*;

async fn database() -> testkit::sqlite::TempSqlite {
    let database = testkit::sqlite::fresh();
    let mut connection = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
    let schema = concat!(
        include_str!("../../../../migrations/sqlite/0001_queue.sql"),
        include_str!("../../../../migrations/sqlite/0005_dead_groups.sql"),
        include_str!("../../../../migrations/sqlite/0007_excerpts.sql"),
        include_str!("../../../../migrations/sqlite/0008_asks.sql")
    );
    sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_handed_out_twice() {
    super::no_job_is_handed_out_twice(database().await.url(), 20_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rescue_and_a_settle_at_once_never_both_have_the_job() {
    super::a_rescue_and_a_settle_at_once_never_both_have_the_job(database().await.url()).await;
}

#[tokio::test]
async fn adds_of_the_same_ids_in_opposite_order_do_not_block_each_other() {
    super::adds_of_the_same_ids_in_opposite_order_do_not_block_each_other(database().await.url()).await;
}

#[tokio::test]
async fn a_job_in_any_place_is_covered_once() {
    super::a_job_in_any_place_is_covered_once(database().await.url()).await;
}

#[tokio::test]
async fn what_a_database_cannot_store_does_not_come_back_for_ever() {
    super::what_a_database_cannot_store_does_not_come_back_for_ever(database().await.url()).await;
}

#[tokio::test]
async fn keys_of_jobs_that_live_are_never_forgotten() {
    super::keys_of_jobs_that_live_are_never_forgotten(database().await.url()).await;
}

#[tokio::test]
async fn a_file_that_somebody_else_writes_to_is_unreachable_and_then_not() {
    let database = database().await;
    let queue = open(database.url());
    let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let refused = queue.add(&jobs(1), NOW).await;
    assert!(matches!(refused, Err(QueueError::Unavailable(_))), "{refused:?}");
    queue.ping().await.unwrap();
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(queue.add(&jobs(1), NOW).await.unwrap(), [Added::New]);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_does_not_happen() {
    let database = database().await;
    let queue = open(database.url());
    let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    assert!(queue.add(&jobs(1), NOW).now_or_never().is_none());
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(queue.add(&jobs(1), NOW).await.unwrap(), [Added::New]);
}

/// A claim alone does not wait for it.
#[tokio::test]
async fn after_a_claim_however_it_ended_calls_wait_for_the_disk() {
    let database = database().await;
    let queue = open(database.url());
    queue.add(&jobs(2), NOW).await.unwrap();
    assert_eq!(queue.claim(&request(1, NOW + LEASE_MS)).await.unwrap().jobs.len(), 1);
    let is_durable = async || {
        let findings = queue.check().await.unwrap();
        assert!(
            findings.iter().all(|finding| finding.level == FindingLevel::Good),
            "{findings:?}"
        );
    };
    is_durable().await;

    let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
    for (rename, expected) in [
        ("queue_leases RENAME TO elsewhere", 0),
        ("elsewhere RENAME TO queue_leases", 1),
    ] {
        let rename = sqlx::AssertSqlSafe(format!("ALTER TABLE {rename}"));
        sqlx::raw_sql(rename).execute(&mut other).await.unwrap();
        let claimed = queue.claim(&request(1, NOW + LEASE_MS)).await;
        assert_eq!(claimed.map_or(0, |claims| claims.jobs.len()), expected);
    }
    is_durable().await;
}

/// Or it would look at a busy file after ever longer pauses, whenever the store writes to it.
#[tokio::test]
async fn a_call_waits_for_its_turn_to_write() {
    let database = database().await;
    let queue = open(database.url());
    let turn = turns::Turns::of(database.url().trim_start_matches("sqlite://").as_ref())
        .take()
        .await;
    let new = jobs(1);
    let mut add = std::pin::pin!(queue.add(&new, NOW));
    let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
    for _ in 0..20 {
        let writes = sqlx::raw_sql("UPDATE queue_sequences SET value = value").execute(&mut other);
        tokio::select! {
            biased;
            added = &mut add => panic!("it is not its turn: {added:?}"),
            written = writes => drop(written.unwrap()),
        }
    }
    drop(turn);
    assert_eq!(add.await.unwrap(), [Added::New]);
}

#[tokio::test]
async fn a_file_without_tables_is_broken_and_one_that_is_not_there_unreachable() {
    let empty = testkit::sqlite::fresh();
    let answer = open(empty.url()).ping().await;
    assert!(matches!(answer, Err(QueueError::Broken(_))), "{answer:?}");
    let elsewhere = open(&format!("{}.elsewhere", empty.url()));
    let answer = elsewhere.ping().await;
    assert!(matches!(answer, Err(QueueError::Unavailable(_))), "{answer:?}");
    let answer = elsewhere.add(&jobs(1), NOW).await;
    assert!(matches!(answer, Err(QueueError::Unavailable(_))), "{answer:?}");
}

/// Who locks the file in another way than others do writes at the same time.
#[test]
fn a_url_that_says_how_to_lock_the_file_is_refused() {
    let connect = |parameters| SqlQueue::connect(&format!("sqlite:///a/file{parameters}"), &SqlOptions::default());
    for fine in ["", "?mode=rw", "?mode=rwc"] {
        assert!(connect(fine).is_ok(), "{fine}");
    }
    for refused in ["?vfs=unix-none", "?mode=ro", "?mode=rwc&cache=shared"] {
        assert!(matches!(connect(refused), Err(QueueError::Broken(_))), "{refused}");
    }
}

/// By itself SQLite leaves it to whoever commits when the log has grown long, which it does not here.
#[tokio::test]
async fn what_was_committed_is_written_to_the_file_beside_the_calls() {
    let database = database().await;
    let path = database.url().trim_start_matches("sqlite://").to_owned();
    let size = || std::fs::metadata(&path).unwrap().len();
    let before = size();
    let queue = open(database.url());
    for number in 0..100 {
        queue.add(&[job(number)], NOW).await.unwrap();
    }
    let mut look = tokio::time::interval(Duration::from_millis(5));
    let grows = async {
        while size() == before {
            look.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), grows).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_ever_forgotten() {
    let database = database().await;
    let queue = patient(database.url());
    super::flow::no_key_is_ever_forgotten(|| Arc::clone(&queue), 240).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_lines_at_once_nobody_waits_for_ever() {
    let database = database().await;
    let queue = patient(database.url());
    super::flow::whatever_happens_to_lines_at_once_nobody_waits_for_ever(|| Arc::clone(&queue), 80).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_a_line_as_it_empties_starts_in_order() {
    let database = database().await;
    let queue = patient(database.url());
    super::flow::who_joins_a_line_as_it_empties_starts_in_order(|| Arc::clone(&queue), 80).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_may_change_at_any_moment() {
    let database = database().await;
    let queue = patient(database.url());
    super::flow::limits_may_change_at_any_moment(|| Arc::clone(&queue), 150).await;
}

#[tokio::test]
async fn a_cooling_that_is_over_leaves_nothing_behind() {
    let database = database().await;
    super::flow::a_cooling_that_is_over_leaves_nothing_behind(database.url()).await;
    let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
    for table in ["queue_limits", "queue_uses", "queue_turns", "queue_closed"] {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let left: i64 = sqlx::query_scalar(count).fetch_one(&mut other).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test]
async fn what_limits_and_lines_may_never_be_is_found() {
    for (fault, found) in super::flow::FAULTS {
        let database = database().await;
        let queue = open(database.url());
        super::flow::prepare_faults(&queue).await;
        let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql(fault).execute(&mut other).await.unwrap();
        super::flow::is_found(&queue, found).await;
    }
}

#[tokio::test]
async fn a_job_that_nothing_would_start_is_found() {
    let database = database().await;
    let queue = open(database.url());
    fill(&queue, 30).await;
    is_consistent(&queue).await;
    let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
    sqlx::raw_sql("DELETE FROM queue_ready WHERE pos = (SELECT max(pos) FROM queue_ready)")
        .execute(&mut other)
        .await
        .unwrap();
    let findings = queue.check().await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0].level == FindingLevel::Fault && findings[0].text.contains("4 jobs"),
        "{findings:?}"
    );
}

#[tokio::test]
async fn an_ended_claims_number_is_never_issued_again() {
    let database = database().await;
    fill(&open(database.url()), 30).await;
    let mut numbers = HashSet::new();
    for _ in 0..3 {
        // A process that starts anew.
        let queue = open(database.url());
        let claimed = queue.claim(&request(1, NOW + LEASE_MS)).await.unwrap().jobs.remove(0);
        let claim = claimed.ticket.claim;
        assert!(numbers.insert(claim));
        queue
            .settle(Queue::Default, &[settle(&claimed, Outcome::Done)], &[claim], NOW)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn letters_from_before_there_were_buckets_are_found() {
    let database = database().await;
    let forget = async || {
        let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql(super::letters::BEFORE).execute(&mut other).await.unwrap();
    };
    super::letters::letters_from_before_there_were_buckets_are_found(&open(database.url()), forget).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_count_right_whatever_happens_at_once() {
    let database = database().await;
    super::letters::buckets_count_right_whatever_happens_at_once(|| patient(database.url()), 10).await;
}

#[tokio::test]
async fn what_buckets_may_never_be_is_found() {
    for (fault, found) in super::letters::FAULTS {
        let database = database().await;
        let queue = open(database.url());
        super::letters::bury(&queue, 3).await;
        super::letters::groups(&queue).await;
        let mut other = sqlx::SqliteConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql(fault).execute(&mut other).await.unwrap();
        super::flow::is_found(&queue, found).await;
    }
}
