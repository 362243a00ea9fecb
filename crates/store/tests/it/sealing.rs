//! What lies in the database, byte by byte.

use domain::{EmailEvent, EmailEventRecord, PersonalText};
use seal::Keyring;
use sqlx::AssertSqlSafe;
use store::{Db, Store, StoreError};

use crate::fresh::{Fresh, event, to_address};

/// Every value of every table of ours, as text.
async fn everything(db: &Db) -> String {
    let mut all = String::new();
    for table in [
        "tenants",
        "api_keys",
        "endpoints",
        "contacts",
        "messages",
        "message_events",
        "interactions",
    ] {
        all += &match db {
            Db::Postgres(pool) => {
                let statement = format!("SELECT string_agg(encode(t::text::bytea, 'escape'), ' ') FROM {table} t");
                let rows: Option<String> = sqlx::query_scalar(AssertSqlSafe(statement))
                    .fetch_one(pool)
                    .await
                    .unwrap();
                // Bytes show as \x…: the words we look for are looked for in that spelling too.
                rows.unwrap_or_default()
            }
            Db::Sqlite { writer, .. } => {
                let columns = format!(
                    "SELECT group_concat('hex(coalesce(' || name || ', x''''))', ' || ') FROM pragma_table_info('{table}')"
                );
                let columns: String = sqlx::query_scalar(AssertSqlSafe(columns))
                    .fetch_one(writer)
                    .await
                    .unwrap();
                let statement = format!("SELECT group_concat({columns}) FROM {table}");
                let rows: Option<String> = sqlx::query_scalar(AssertSqlSafe(statement))
                    .fetch_one(writer)
                    .await
                    .unwrap();
                rows.unwrap_or_default()
            }
        };
    }
    all.to_lowercase()
}

async fn nothing_personal_or_secret_lies_readable_in_the_database(fresh: Fresh) {
    let record = EmailEventRecord {
        subject: Some(PersonalText::new("wedding")),
        url: Some(PersonalText::new("https://example.com/wedding")),
        ..to_address(
            event("visible", EmailEvent::Clicked, "wedding-identity"),
            "marie@example.com",
        )
    };
    fresh.apply(&record).await;
    fresh
        .store
        .rotate_endpoint_secret(fresh.tenant, fresh.endpoint, &"secret-two".into())
        .await
        .unwrap();
    let all = everything(fresh.store.db()).await;
    let lies_there = |word: &str| all.contains(word) || all.contains(&hex::encode(word));
    assert!(lies_there("visible"), "the search finds what is there");
    for word in ["wedding", "marie", "secret"] {
        assert!(!lies_there(word), "{word}");
    }
}

async fn a_row_sealed_under_an_unknown_key_is_an_error_that_names_the_key(fresh: Fresh) {
    let other = Store::new(
        fresh.store.db().clone(),
        Keyring::parse(&Keyring::generate("other")).unwrap(),
    );
    let refused = other.endpoint(fresh.endpoint).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Sealed(_)) && refused.to_string().contains("`test`"),
        "{refused}"
    );
}

async fn rows_open_after_the_keys_were_rotated(fresh: Fresh) {
    let rotated = format!("{},{}", Keyring::generate("newer"), fresh.keyring_text);
    let rotated = Store::new(fresh.store.db().clone(), Keyring::parse(&rotated).unwrap());
    let first = fresh
        .apply(&to_address(event("1", EmailEvent::Opened, "1"), "marie@example.com"))
        .await;
    let record = to_address(event("2", EmailEvent::Opened, "2"), "marie@example.com");
    rotated
        .record_email_event(fresh.tenant, fresh.endpoint, &record, crate::fresh::now())
        .await
        .unwrap();
    let message = rotated
        .message_by_external(fresh.tenant, "sendgrid", "2")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(message.contact_id, first.contact, "the address is still recognised");
    assert!(
        rotated
            .message(fresh.tenant, first.message)
            .await
            .unwrap()
            .unwrap()
            .recipient
            .is_some()
    );
    assert!(rotated.endpoint(fresh.endpoint).await.unwrap().is_some());
}

both!(
    nothing_personal_or_secret_lies_readable_in_the_database,
    a_row_sealed_under_an_unknown_key_is_an_error_that_names_the_key,
    rows_open_after_the_keys_were_rotated,
);
