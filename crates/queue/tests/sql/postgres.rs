//! On Postgres.

use std::time::{Duration, Instant};

use super::*;

/// What a call may take when the database is away, with room for a busy machine.
const CALL_LIMIT: Duration = Duration::from_secs(3);

async fn database() -> testkit::postgres::TempPostgres {
    testkit::postgres::fresh_from_template("queue_sql", async |url| {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        let schema = concat!(
            include_str!("../../../../migrations/postgres/0001_queue.sql"),
            include_str!("../../../../migrations/postgres/0005_dead_groups.sql"),
            include_str!("../../../../migrations/postgres/0007_excerpts.sql"),
            include_str!("../../../../migrations/postgres/0008_asks.sql")
        );
        sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_handed_out_twice() {
    super::no_job_is_handed_out_twice(database().await.url(), 100_000).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_ever_forgotten() {
    let database = database().await;
    super::flow::no_key_is_ever_forgotten(|| patient(database.url()), 1200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_lines_at_once_nobody_waits_for_ever() {
    let database = database().await;
    super::flow::whatever_happens_to_lines_at_once_nobody_waits_for_ever(|| patient(database.url()), 400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_a_line_as_it_empties_starts_in_order() {
    let database = database().await;
    super::flow::who_joins_a_line_as_it_empties_starts_in_order(|| patient(database.url()), 400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_may_change_at_any_moment() {
    let database = database().await;
    super::flow::limits_may_change_at_any_moment(|| patient(database.url()), 600).await;
}

#[tokio::test]
async fn a_cooling_that_is_over_leaves_nothing_behind() {
    let database = database().await;
    super::flow::a_cooling_that_is_over_leaves_nothing_behind(database.url()).await;
    let mut other = sqlx::PgConnection::connect(database.url()).await.unwrap();
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
        let mut other = sqlx::PgConnection::connect(database.url()).await.unwrap();
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
    let mut other = sqlx::PgConnection::connect(database.url()).await.unwrap();
    sqlx::raw_sql("DELETE FROM queue_ready WHERE pos = (SELECT max(pos) FROM queue_ready)")
        .execute(&mut other)
        .await
        .unwrap();
    let findings = queue.check().await.unwrap();
    assert!(
        findings
            .iter()
            .any(|found| found.level == FindingLevel::Fault && found.text.contains("4 jobs"))
    );
}

/// A claim that cancels compete with: whoever is answered `Removed` was right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_is_not_in_a_claim_made_at_the_same_moment() {
    const TOTAL: usize = 2000;
    let database = database().await;
    let queue = open(database.url());
    fill(&queue, TOTAL).await;
    let cancels = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move {
            let mut removed = HashSet::new();
            for number in (0..TOTAL).step_by(3) {
                if queue.cancel(job(number).id, NOW).await.unwrap() == Cancelled::Removed {
                    removed.insert(job(number).id);
                }
            }
            removed
        }
    });
    let mut claimed = HashSet::new();
    loop {
        let claims = queue.claim(&request(5, NOW + LEASE_MS)).await.unwrap();
        claimed.extend(claims.jobs.iter().map(|job| job.id));
        if claims.jobs.is_empty() && !claims.more {
            break;
        }
    }
    let removed = cancels.await.unwrap();
    assert_eq!(claimed.intersection(&removed).count(), 0);
    assert_eq!(claimed.len() + removed.len(), TOTAL);
    is_consistent(&queue).await;
}

async fn behind_a_proxy(url: &str) -> (testkit::Proxy, Arc<SqlQueue>) {
    let mut url = sqlx::postgres::PgConnectOptions::clone(&url.parse().unwrap());
    let target = (url.get_host().to_owned(), url.get_port());
    let target = tokio::net::lookup_host(target).await.unwrap().next().unwrap();
    let proxy = testkit::Proxy::to(target).await;
    url = url.host("127.0.0.1").port(proxy.addr().port());
    let queue = open(sqlx::ConnectOptions::to_url_lossy(&url).as_str());
    (proxy, queue)
}

async fn is_unavailable_in_time(queue: &SqlQueue) {
    let start = Instant::now();
    let (add, claim) = (jobs(1), request(1, NOW));
    let (added, claimed, counted) =
        tokio::join!(queue.add(&add, NOW), queue.claim(&claim), queue.counts(Queue::Default));
    for error in [added.err(), claimed.err(), counted.err()] {
        assert!(matches!(error, Some(QueueError::Unavailable(_))), "{error:?}");
    }
    assert!(start.elapsed() < CALL_LIMIT, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_database_that_was_stopped_is_used_again_when_it_is_back() {
    let database = database().await;
    let (proxy, queue) = behind_a_proxy(database.url()).await;
    proxy.cut();
    // Never connected yet.
    is_unavailable_in_time(&queue).await;
    proxy.restore();
    queue.ping().await.unwrap();
    // Connected, and cut off.
    proxy.cut();
    is_unavailable_in_time(&queue).await;
    proxy.restore();
    assert_eq!(queue.add(&jobs(1), NOW).await.unwrap(), [Added::New]);
}

#[tokio::test]
async fn a_database_behind_a_dead_network_is_used_again_when_it_is_back() {
    let database = database().await;
    let (proxy, queue) = behind_a_proxy(database.url()).await;
    queue.ping().await.unwrap();
    proxy.hang();
    is_unavailable_in_time(&queue).await;
    is_unavailable_in_time(&queue).await;
    proxy.restore();
    queue.ping().await.unwrap();
    queue.add(&jobs(1), NOW).await.unwrap();
    is_consistent(&queue).await;
}

#[tokio::test]
async fn who_waits_is_told_when_the_database_is_back() {
    let database = database().await;
    let (proxy, queue) = behind_a_proxy(database.url()).await;
    let wakes = queue.wakes(Queue::Default);
    let told = || tokio::time::timeout(Duration::from_secs(30), wakes.notified());
    told().await.expect("the first connection rings");
    proxy.cut();
    proxy.restore();
    told().await.expect("a new connection rings");
    queue.add(&jobs(1), NOW).await.unwrap();
    told().await.expect("work rings");
}

#[tokio::test]
async fn letters_from_before_there_were_buckets_are_found() {
    let database = database().await;
    let forget = async || {
        let mut other = sqlx::PgConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql(super::letters::BEFORE).execute(&mut other).await.unwrap();
    };
    super::letters::letters_from_before_there_were_buckets_are_found(&open(database.url()), forget).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_count_right_whatever_happens_at_once() {
    let database = database().await;
    super::letters::buckets_count_right_whatever_happens_at_once(|| patient(database.url()), 40).await;
}

#[tokio::test]
async fn what_buckets_may_never_be_is_found() {
    for (fault, found) in super::letters::FAULTS {
        let database = database().await;
        let queue = open(database.url());
        super::letters::bury(&queue, 3).await;
        super::letters::groups(&queue).await;
        let mut other = sqlx::PgConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql(fault).execute(&mut other).await.unwrap();
        super::flow::is_found(&queue, found).await;
    }
}
