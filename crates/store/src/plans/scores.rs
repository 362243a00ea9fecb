//! Scores, ledgers and crossings, as many as must not be read whole, and how ledgers are summed: what is found is sorted and
//! grouped, but nothing else is read.

use chrono::DateTime;
use domain::ContactId;
use sqlx::{AssertSqlSafe, Execute as _, QueryBuilder, SqlitePool};
use uuid::Uuid;

use super::TENANT;

const CONTACTS: [ContactId; 3] = [
    ContactId(Uuid::from_u128(3)),
    ContactId(Uuid::from_u128(4)),
    ContactId(Uuid::from_u128(5)),
];

macro_rules! sums {
    ($dialect:ty) => {{
        let mut query: QueryBuilder<$dialect> = crate::leads::sums!(TENANT, CONTACTS, DateTime::UNIX_EPOCH);
        query.build().sql().as_str().to_owned()
    }};
}

pub(super) async fn plan_on_sqlite(writer: &SqlitePool) -> String {
    let statement = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", sums!(sqlx::Sqlite)));
    let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(statement).fetch_all(writer).await.unwrap();
    steps.into_iter().map(|step| step.3).collect::<Vec<_>>().join("\n")
}

#[cfg(feature = "services")]
pub(super) async fn fill_postgres(pool: &sqlx::PgPool) {
    sqlx::raw_sql(
        "INSERT INTO lead_scores SELECT tenant_id, id, created_at % 50, created_at, created_at % 9 FROM contacts;
         INSERT INTO lead_ledger (tenant_id, contact_id, reason, points, moved, score_after, recorded_at)
             SELECT tenant_id, id, 'first_open', 3, 3, 3, n FROM contacts, generate_series(1, 3) n;
         INSERT INTO lead_crossings
             SELECT md5('x' || tenant_id || id)::uuid, tenant_id, id, 20, 20, created_at,
                    CASE WHEN created_at % 4 > 0 THEN created_at END
             FROM contacts;
         ANALYZE",
    )
    .execute(pool)
    .await
    .unwrap();
}

#[cfg(feature = "services")]
pub(super) async fn plan_on_postgres(pool: &sqlx::PgPool) -> String {
    let mut connection = pool.acquire().await.unwrap();
    let statement = format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE sums AS {}",
        sums!(sqlx::Postgres)
    );
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut *connection)
        .await
        .unwrap();
    let steps: Vec<String> = sqlx::query_scalar("EXPLAIN EXECUTE sums(NULL, NULL, NULL, NULL, NULL)")
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    steps.join("\n")
}
