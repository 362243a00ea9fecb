//! As many people, ways in, keys and entries of the audit log as lists must not read whole: 100,000 of each.

use sqlx::SqlitePool;

pub(super) async fn fill_sqlite(writer: &SqlitePool) {
    sqlx::raw_sql(
        "CREATE TEMP TABLE numbers AS
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
             SELECT n, randomblob(16) AS id, randomblob(32) AS hash FROM numbers;
         INSERT INTO tenants SELECT x'01', 'many', x'', 0;
         INSERT INTO users SELECT id, hash, x'', n FROM numbers;
         INSERT INTO memberships SELECT x'01', id, 'sales', NULL, 'none', NULL, NULL, n FROM numbers;
         INSERT INTO invitations SELECT x'01', id, hash, x'', 'sales', 'system', n, n, NULL, NULL FROM numbers;
         INSERT INTO sign_in_tries SELECT id, hash, n FROM numbers;
         INSERT INTO api_keys (id, tenant_id, key_hash, role, created_at) SELECT id, x'01', hash, 'sales', n FROM numbers;
         INSERT INTO audit_log (id, tenant_id, at, actor, action, origin)
             SELECT id, CASE WHEN n % 2 THEN x'01' END, n, 'system', 'key_created', 'cli' FROM numbers;
         DROP TABLE numbers",
    )
    .execute(writer)
    .await
    .unwrap();
}

#[cfg(feature = "services")]
pub(super) async fn fill_postgres(pool: &sqlx::PgPool) {
    sqlx::raw_sql(
        "INSERT INTO users SELECT md5('a' || n)::uuid, sha256(n::text::bytea), '', n FROM generate_series(1, 20000) n;
         INSERT INTO memberships SELECT t.id, u.id, 'sales', NULL, 'none', NULL, NULL, u.created_at FROM tenants t, users u;
         INSERT INTO invitations
             SELECT id, md5('i' || n)::uuid, sha256(n::text::bytea), '', 'sales', 'system', n, n, NULL, NULL
             FROM tenants, generate_series(1, 20000) n;
         INSERT INTO sign_in_tries
             SELECT md5('t' || n)::uuid, sha256((n % 1000)::text::bytea), n FROM generate_series(1, 100000) n;
         INSERT INTO api_keys (id, tenant_id, key_hash, role, created_at)
             SELECT md5('k' || name || n)::uuid, id, sha256((name || n)::bytea), 'sales', n
             FROM tenants, generate_series(1, 20000) n;
         INSERT INTO audit_log (id, tenant_id, at, actor, action, origin)
             SELECT md5('l' || name || n)::uuid, CASE WHEN n % 2 = 0 THEN id END, n, 'system',
                    CASE WHEN n % 9 = 0 THEN 'permission_refused' ELSE 'key_created' END, 'cli'
             FROM tenants, generate_series(1, 20000) n;
         ANALYZE",
    )
    .execute(pool)
    .await
    .unwrap();
}
