//! Temporary databases are empty, apart from each other, and gone afterwards.

#![cfg(feature = "services")]
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use redis::Commands;
use sqlx::{Connection, PgConnection};
use testkit::{Proxy, postgres};

async fn database_exists(name: &str) -> bool {
    let server = std::env::var(postgres::URL_VARIABLE).unwrap();
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_postgres_database_is_dropped_with_those_still_connected() {
    let database = postgres::fresh().await;
    let name = database.name().to_owned();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE things (id BIGINT)")
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(database_exists(&name).await);
    drop(database);
    assert!(!database_exists(&name).await);
    assert!(connection.ping().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_prepared_once_and_its_copies_are_apart() {
    static PREPARED: AtomicUsize = AtomicUsize::new(0);
    async fn prepare(url: String) {
        PREPARED.fetch_add(1, Ordering::SeqCst);
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("CREATE TABLE things (id BIGINT)")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    let copies: Vec<_> = (0..4)
        .map(|_| tokio::spawn(postgres::fresh_from_template("a_template_of_testkit", prepare)))
        .collect();
    let mut databases = Vec::new();
    for copy in copies {
        databases.push(copy.await.unwrap());
    }
    assert_eq!(PREPARED.load(Ordering::SeqCst), 1);
    for database in &databases {
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        sqlx::raw_sql("INSERT INTO things VALUES (1)")
            .execute(&mut connection)
            .await
            .unwrap();
        let things: i64 = sqlx::query_scalar("SELECT count(*) FROM things")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(things, 1);
    }
}

#[test]
fn keys_under_a_prefix_go_and_the_others_stay() {
    let (mine, theirs) = (testkit::redis::fresh(), testkit::redis::fresh());
    let mut connection = redis::Client::open(mine.url()).unwrap().get_connection().unwrap();
    for number in 0..1_200 {
        connection
            .set::<_, _, ()>(format!("{}{number}", mine.prefix()), number)
            .unwrap();
    }
    let kept = format!("{}kept", theirs.prefix());
    connection.set::<_, _, ()>(&kept, 1).unwrap();
    let pattern = format!("{}*", mine.prefix());
    drop(mine);
    assert_eq!(
        connection.keys::<_, Vec<String>>(&pattern).unwrap(),
        Vec::<String>::new()
    );
    assert!(connection.exists::<_, bool>(&kept).unwrap());
}

#[tokio::test]
async fn a_killed_redis_comes_back_with_what_it_had_acknowledged() {
    let mut server = testkit::redis::Server::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    client
        .get_connection()
        .unwrap()
        .set::<_, _, ()>("key", "value")
        .unwrap();
    server.kill();
    assert!(client.get_connection().is_err());
    server.restart().await;
    assert_eq!(
        client.get_connection().unwrap().get::<_, String>("key").unwrap(),
        "value"
    );
}

#[tokio::test]
async fn a_redis_behind_a_proxy_can_be_taken_away() {
    let server = testkit::redis::Server::start().await;
    let proxy = Proxy::to(server.address()).await;
    let client = redis::Client::open(format!("redis://{}/", proxy.addr())).unwrap();
    client.get_connection().unwrap().set::<_, _, ()>("key", 1).unwrap();
    proxy.cut();
    assert!(client.get_connection().is_err());
    proxy.restore();
    assert_eq!(client.get_connection().unwrap().get::<_, i64>("key").unwrap(), 1);
}
