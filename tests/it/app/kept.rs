//! Everything that an installation keeps, byte by byte: for tests that look for what must not be there.

use std::path::Path;

use queue::backend::{DeadFilter, Kept, ListRequest};
use queue::envelope::Envelope;
use seal::Keyring;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::TestApp;
use super::place::Place;

/// More than any test has of anything.
const ALL: usize = 1000;
/// Between two values, so that no two of them together make a third.
const BETWEEN: &[u8] = b"\n";

/// A place of the installation's, by name, and all that lies there.
pub(crate) type Found = (String, Vec<u8>);

impl TestApp {
    /// All that it keeps and says: every table, every key of Redis, every payload opened, every error, every log line.
    pub(crate) async fn everything(&self) -> Vec<Found> {
        let mut all = self.place.everything().await;
        all.push(("payloads and errors".to_owned(), self.payloads().await));
        all.push(("web's log".to_owned(), self.web.output().into_bytes()));
        for worker in &self.workers {
            all.push(("a worker's log".to_owned(), worker.output().into_bytes()));
        }
        all
    }

    /// The payloads of all jobs that are kept, opened, and what went wrong with them.
    async fn payloads(&self) -> Vec<u8> {
        let keyring = Keyring::parse(self.commanding.get("RELAIS_KEYS")).unwrap();
        let queue = self.queue();
        let request = ListRequest {
            limit: ALL,
            ..ListRequest::default()
        };
        let live = queue.list(request).await.unwrap();
        let dead = queue.list_dead(&DeadFilter::default(), None, ALL).await.unwrap();
        assert!(
            live.next_cursor.is_none() && dead.next_cursor.is_none(),
            "not everything was looked at"
        );
        let mut bytes = Vec::new();
        for kept in live.items.iter().chain(&dead.items) {
            bytes.extend(payload(kept, &keyring));
            for failure in &kept.errors {
                bytes.extend_from_slice(failure.error.as_bytes());
                bytes.extend_from_slice(BETWEEN);
            }
        }
        bytes
    }
}

fn payload(kept: &Kept, keyring: &Keyring) -> Vec<u8> {
    let envelope = Envelope::decode(&kept.body).unwrap();
    let mut payload = envelope.open(kept.id, keyring).unwrap();
    payload.extend_from_slice(BETWEEN);
    payload
}

impl Place {
    async fn everything(&self) -> Vec<Found> {
        let all = match self.sqlite_path() {
            Some(path) => in_sqlite(path).await,
            #[cfg(feature = "services")]
            None => services::in_postgres(&self.database_url).await,
            #[cfg(not(feature = "services"))]
            None => unreachable!("nothing else is there without services"),
        };
        #[cfg(feature = "services")]
        if let Some((url, prefix)) = &self.redis {
            let redis = ("Redis".to_owned(), services::in_redis(url, prefix));
            return all.into_iter().chain([redis]).collect();
        }
        all
    }
}

/// Every value of every table as text or as its bytes, and the files themselves, where what was deleted still lies.
async fn in_sqlite(path: &str) -> Vec<Found> {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{path}")).await.unwrap();
    let tables = "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'";
    let columns: Vec<(String, String)> = sqlx::query_as(tables).fetch_all(&mut connection).await.unwrap();
    let mut all = Vec::new();
    for (table, column) in columns {
        let statement = format!(r#"SELECT CAST("{column}" AS BLOB) FROM "{table}" WHERE "{column}" IS NOT NULL"#);
        let values = sqlx::query_scalar::<_, Vec<u8>>(AssertSqlSafe(statement));
        let values = values.fetch_all(&mut connection).await.unwrap();
        all.push((format!("{table}.{column}"), values.join(BETWEEN)));
    }
    connection.close().await.unwrap();
    for file in [path.to_owned(), format!("{path}-wal")] {
        if Path::new(&file).exists() {
            all.push(("the database's file".to_owned(), std::fs::read(&file).unwrap()));
        }
    }
    all
}

#[cfg(feature = "services")]
mod services {
    use redis::{Commands as _, Value};
    use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

    use super::{BETWEEN, Found};

    /// Every row of every table as text, in which bytes that can be read stand as what they are.
    pub(super) async fn in_postgres(url: &str) -> Vec<Found> {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let set = sqlx::raw_sql("SET bytea_output = 'escape'");
        set.execute(&mut connection).await.unwrap();
        let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
             WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
        let mut all = Vec::new();
        for table in tables {
            let statement = format!("SELECT t::text FROM {table} t");
            let rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(statement));
            let rows = rows.fetch_all(&mut connection).await.unwrap();
            all.push((table, rows.join("\n").into_bytes()));
        }
        connection.close().await.unwrap();
        all
    }

    /// Every key with this in its name, and what it holds.
    pub(super) fn in_redis(url: &str, prefix: &str) -> Vec<u8> {
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let keys: Vec<Vec<u8>> = connection
            .scan_match::<_, Vec<u8>>(format!("*{prefix}*"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let mut all = Vec::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
            let mut read = match &*kind {
                "string" => redis::cmd("GET"),
                "hash" => redis::cmd("HGETALL"),
                "list" => redis::cmd("LRANGE"),
                "set" => redis::cmd("SMEMBERS"),
                "zset" => redis::cmd("ZRANGE"),
                "stream" => redis::cmd("XRANGE"),
                // It ended since it was named.
                "none" => continue,
                other => panic!("a key of the kind {other}"),
            };
            read.arg(&key);
            match &*kind {
                "list" => read.arg(0).arg(-1),
                "zset" => read.arg(0).arg(-1).arg("WITHSCORES"),
                "stream" => read.arg("-").arg("+"),
                _ => &mut read,
            };
            gather(&Value::BulkString(key), &mut all);
            gather(&read.query(&mut connection).unwrap(), &mut all);
        }
        all
    }

    fn gather(value: &Value, all: &mut Vec<u8>) {
        match value {
            Value::BulkString(bytes) => all.extend_from_slice(bytes),
            Value::Array(values) | Value::Set(values) => values.iter().for_each(|value| gather(value, all)),
            Value::Map(pairs) => pairs.iter().for_each(|(name, value)| {
                gather(name, all);
                gather(value, all);
            }),
            Value::SimpleString(text) => all.extend_from_slice(text.as_bytes()),
            Value::Int(number) => all.extend_from_slice(number.to_string().as_bytes()),
            Value::Double(number) => all.extend_from_slice(number.to_string().as_bytes()),
            _ => {}
        }
        all.extend_from_slice(BETWEEN);
    }
}
