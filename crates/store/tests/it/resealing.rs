//! A former key is needed by nothing any more once everything was sealed again.

use std::collections::BTreeMap;

use domain::PersonalText;
use seal::Keyring;
use sqlx::AssertSqlSafe;
use store::{Db, DeadLetterEdit, Resealed, SealedColumn, Store};
use uuid::Uuid;

use crate::fresh::{Fresh, now};
use crate::sealing::{hire, keep_events, send_and_hear};

/// Fills every column that is sealed.
async fn fill(fresh: &Fresh) {
    keep_events(fresh).await;
    send_and_hear(fresh).await;
    hire(fresh).await;
    fresh.begin_to_erase(fresh.tenant).await;
    fresh.hook("https://crm.example.com/leads").await;
    let edit = DeadLetterEdit {
        by: "ann".into(),
        at: now(),
        changes: PersonalText::new("wedding"),
    };
    fresh
        .store
        .record_dead_letter_edit(fresh.tenant, Uuid::from_u128(1), &edit)
        .await
        .unwrap();
}

/// The same database under a keyring in which another key stands in front.
fn rotated(fresh: &Fresh) -> (Store, String) {
    let newer = Keyring::generate("newer");
    let both = format!("{newer},{}", fresh.keyring_text);
    let store = Store::new(fresh.store.db().clone(), Keyring::parse(&both).unwrap());
    (store, newer)
}

/// How often each column of the database, whatever it is for, holds a value under the key that `fresh` seals with.
async fn under_the_former_key(fresh: &Fresh) -> BTreeMap<String, i64> {
    const POSTGRES: &str = "SELECT table_name::text, column_name::text FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = 'bytea'";
    const SQLITE: &str =
        "SELECT tables.name, columns.name FROM sqlite_master tables, pragma_table_info(tables.name) columns
        WHERE tables.type = 'table' AND columns.type = 'BLOB'";
    let head = Keyring::parse(&fresh.keyring_text).unwrap().current_head();
    let mut found = BTreeMap::new();
    let columns: Vec<(String, String)> = match fresh.store.db() {
        Db::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_all(pool).await.unwrap(),
        Db::Sqlite { writer, .. } => sqlx::query_as(SQLITE).fetch_all(writer).await.unwrap(),
    };
    for (table, column) in columns {
        let count = AssertSqlSafe(format!(
            "SELECT count(*) FROM {table} WHERE substr({column}, 1, {}) = $1",
            head.len()
        ));
        let count: i64 = match fresh.store.db() {
            Db::Postgres(pool) => sqlx::query_scalar(count).bind(&head).fetch_one(pool).await.unwrap(),
            Db::Sqlite { writer, .. } => sqlx::query_scalar(count).bind(&head).fetch_one(writer).await.unwrap(),
        };
        if count > 0 {
            found.insert(format!("{table}.{column}"), count);
        }
    }
    found
}

/// Goes through one column, two rows at a time.
async fn through(store: &Store, column: &SealedColumn) -> Resealed {
    let (mut after, mut sum) = (None, Resealed::default());
    loop {
        let done = store.reseal(column, after, 2).await.unwrap();
        sum.looked_at += done.looked_at;
        sum.resealed += done.resealed;
        sum.missed += done.missed;
        sum.unreadable += done.unreadable;
        after = done.next;
        if after.is_none() {
            return sum;
        }
    }
}

async fn everything_opens_without_the_former_key(fresh: Fresh) {
    fill(&fresh).await;
    let before = under_the_former_key(&fresh).await;
    let (both, newer) = rotated(&fresh);
    for column in SealedColumn::all() {
        let held = before.get(&column.shown()).copied().unwrap_or_default();
        assert!(
            held > 0,
            "nothing fills {}: this test says nothing of it",
            column.shown()
        );
        assert_eq!(
            through(&both, column).await.resealed,
            held.unsigned_abs(),
            "{}",
            column.shown()
        );
        assert_eq!(through(&both, column).await.resealed, 0, "{}", column.shown());
    }
    assert_eq!(both.reseal_installation_key().await.unwrap().resealed, 1);
    assert_eq!(both.reseal_installation_key().await.unwrap().resealed, 0);
    assert_eq!(under_the_former_key(&fresh).await, BTreeMap::new(), "of {before:?}");

    let alone = Store::new(fresh.store.db().clone(), Keyring::parse(&newer).unwrap());
    let tenant = fresh.tenant;
    assert!(alone.endpoint(fresh.endpoint).await.unwrap().is_some());
    assert_eq!(alone.members(tenant, None, 9).await.unwrap().items.len(), 1);
    assert_eq!(alone.invitations(tenant, None, 9).await.unwrap().items.len(), 1);
    assert_eq!(
        alone.inbound_messages(tenant, None, None, 9).await.unwrap().items.len(),
        1
    );
    assert!(alone.settings(tenant).await.unwrap().senders.sms.is_some());
    assert!(alone.score_settings(tenant).await.unwrap().hook.is_some());
    assert_eq!(alone.dead_letter_edits(Uuid::from_u128(1)).await.unwrap().len(), 1);
    let message = alone
        .message_by_external(tenant, "twilio", "SM1")
        .await
        .unwrap()
        .unwrap();
    assert!(message.recipient.is_some());
}

async fn what_opens_under_no_key_is_counted_and_stays(fresh: Fresh) {
    fill(&fresh).await;
    let other = Store::new(
        fresh.store.db().clone(),
        Keyring::parse(&Keyring::generate("other")).unwrap(),
    );
    let before = under_the_former_key(&fresh).await;
    for column in SealedColumn::all() {
        let done = through(&other, column).await;
        assert_eq!(
            (done.resealed, done.unreadable),
            (0, done.looked_at),
            "{}",
            column.shown()
        );
    }
    assert_eq!(other.reseal_installation_key().await.unwrap().unreadable, 1);
    assert_eq!(under_the_former_key(&fresh).await, before);
}

both!(
    everything_opens_without_the_former_key,
    what_opens_under_no_key_is_counted_and_stays,
);
