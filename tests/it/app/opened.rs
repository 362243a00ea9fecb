//! Everything sealed that a store keeps, opened: for tests that look for what must not be there any more.

use std::collections::BTreeSet;

use seal::Keyring;
use sqlx::AssertSqlSafe;
use store::{Db, SealedColumn};
use uuid::Uuid;

use super::{Found, TestApp};

/// Sealed values that are bound to something else than a row's own id. Nothing in them is about a contact.
const OTHERWISE_BOUND: [&str; 8] = [
    "installation_keys.key",
    "memberships.name",
    "memberships.notify_address",
    "score_rules.hook_secret",
    "score_rules.hook_url",
    "tenant_settings.sender_email",
    "tenant_settings.sender_sms",
    "tenant_settings.sender_whatsapp",
];

/// Every column of every table that may hold bytes, with whether the table's rows have an id.
const POSTGRES: &str = "SELECT columns.table_name::text, columns.column_name::text, EXISTS
        (SELECT 1 FROM information_schema.columns ids WHERE ids.table_schema = 'public'
         AND ids.table_name = columns.table_name AND ids.column_name = 'id' AND ids.data_type = 'uuid')
    FROM information_schema.columns columns WHERE columns.table_schema = 'public' AND columns.data_type = 'bytea'";
const SQLITE: &str = "SELECT tables.name, columns.name, EXISTS
        (SELECT 1 FROM pragma_table_info(tables.name) ids WHERE ids.name = 'id' AND ids.type = 'BLOB')
    FROM sqlite_master tables, pragma_table_info(tables.name) columns
    WHERE tables.type = 'table' AND columns.type = 'BLOB'";

impl TestApp {
    /// Every sealed value of the store, by its column, in the clear. One that does not open is a fault of this test.
    pub(crate) async fn opened(&self) -> Vec<Found> {
        let (keys, store) = (self.keys(), self.store().await);
        let keyring = Keyring::parse(&keys).unwrap();
        let names: BTreeSet<_> = SealedColumn::all().iter().map(SealedColumn::name).collect();
        let mut all = Vec::new();
        for (table, column, has_id) in columns(store.db()).await {
            let shown = format!("{table}.{column}");
            let id = if has_id { "id" } else { "NULL" };
            let values = values(store.db(), &table, &column, id, &keyring.current_head()).await;
            for (row, sealed) in values {
                if OTHERWISE_BOUND.contains(&&*shown) {
                    continue;
                }
                let open = |name: &&str| {
                    let context = [name.as_bytes(), b":", row.unwrap_or_default().as_bytes()].concat();
                    keyring.open(&context, &sealed).ok()
                };
                let clear = names.iter().find_map(open);
                all.push((
                    shown.clone(),
                    clear.unwrap_or_else(|| panic!("{shown} has a value that does not open")),
                ));
            }
        }
        store.db().close().await;
        all
    }

    /// Runs a statement, past the store.
    pub(crate) async fn execute(&self, statement: &'static str) {
        let store = self.store().await;
        match store.db() {
            Db::Postgres(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
            Db::Sqlite { writer, .. } => drop(sqlx::query(statement).execute(writer).await.unwrap()),
        }
        store.db().close().await;
    }
}

async fn columns(db: &Db) -> Vec<(String, String, bool)> {
    match db {
        Db::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_all(pool).await.unwrap(),
        Db::Sqlite { writer, .. } => sqlx::query_as(SQLITE).fetch_all(writer).await.unwrap(),
    }
}

async fn values(db: &Db, table: &str, column: &str, id: &str, head: &[u8]) -> Vec<(Option<Uuid>, Vec<u8>)> {
    let cast = if matches!(db, Db::Postgres(_)) { "::uuid" } else { "" };
    let statement = AssertSqlSafe(format!(
        "SELECT {id}{cast}, {column} FROM {table} WHERE substr({column}, 1, {}) = $1",
        head.len()
    ));
    match db {
        Db::Postgres(pool) => sqlx::query_as(statement).bind(head).fetch_all(pool).await.unwrap(),
        Db::Sqlite { writer, .. } => sqlx::query_as(statement).bind(head).fetch_all(writer).await.unwrap(),
    }
}
