//! Every way to narrow the inbox, and as many interactions as it must not read whole: 100,000.

use chrono::DateTime;
use domain::UserId;
use domain::interaction::{DueWindow, InteractionStatus};
use sqlx::SqlitePool;
use uuid::Uuid;

use crate::{Holder, InboxFilter, Planned};

/// Open work stands in two statuses: a page of each is read along the index, and what was read is sorted.
pub(super) const MERGED: &str = "open work along ";

/// Every way to narrow the inbox, after the index that it goes along.
pub(super) fn inboxes() -> Vec<(&'static str, InboxFilter)> {
    let at = |millis| DateTime::from_timestamp_millis(millis);
    let window = |from, before| Planned::Within(DueWindow { from, before });
    let plans = [
        None,
        Some(window(None, at(9))),
        Some(window(at(3), at(9))),
        Some(window(at(3), None)),
        Some(Planned::Not),
    ];
    let mut inboxes = Vec::new();
    for planned in plans {
        for holder in [
            None,
            Some(Holder::Nobody),
            Some(Holder::User(UserId(Uuid::from_u128(7)))),
        ] {
            for status in [None, Some(InteractionStatus::Todo)] {
                for question in [None, Some("one".to_owned()), Some("one two".to_owned())] {
                    let filter = InboxFilter {
                        status,
                        holder,
                        planned,
                        question,
                    };
                    inboxes.push((along(&filter), filter));
                }
            }
        }
    }
    inboxes
}

fn along(filter: &InboxFilter) -> &'static str {
    match (&filter.question, filter.planned, filter.holder, filter.status) {
        (Some(question), None, None, None) if !question.contains(' ') => "inbox along interaction_words",
        (Some(_), ..) => "narrowed words along interaction_words",
        (None, Some(Planned::Within(_)), None, None) => "open work along interactions_planned",
        (None, Some(Planned::Within(_)), Some(_), None) => "open work along interactions_holder_planned",
        (None, Some(Planned::Not), None, None) => "open work along interactions_unplanned",
        (None, Some(Planned::Not), Some(_), None) => "open work along interactions_holder_unplanned",
        (None, Some(Planned::Within(_)), None, _) => "inbox along interactions_planned",
        (None, Some(Planned::Within(_)), Some(_), _) => "inbox along interactions_holder_planned",
        (None, Some(Planned::Not), None, _) => "inbox along interactions_unplanned",
        (None, Some(Planned::Not), Some(_), _) => "inbox along interactions_holder_unplanned",
        (None, None, None, None) => "inbox along interactions_newest",
        (None, None, None, Some(_)) => "inbox along interactions_status",
        (None, None, Some(_), None) => "inbox along interactions_holder",
        (None, None, Some(_), Some(_)) => "inbox along interactions_holder_status",
    }
}

/// What stands for the hashes of the words that are asked for.
pub(super) fn hashes(filter: &InboxFilter) -> Vec<Vec<u8>> {
    let words = filter.question.iter().flat_map(|question| question.split(' '));
    words.map(|word| word.as_bytes().to_vec()).collect()
}

/// SQLite plans without looking at what is there, unless it was told to. The tenant is that of the accounts.
pub(super) async fn fill_sqlite(writer: &SqlitePool) {
    sqlx::raw_sql(
        "INSERT INTO contacts SELECT id, x'0c', 'person', 'p', NULL, 0, NULL FROM tenants;
         INSERT INTO interactions (id, tenant_id, contact_id, status, reason, next_action_at, creator, created_at, updated_at)
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
             SELECT randomblob(16), tenant_id, contacts.id, CASE n % 3 WHEN 0 THEN 'todo' WHEN 1 THEN 'in_progress' ELSE 'done' END,
                    'reply', CASE WHEN n % 5 > 0 THEN n END, 'system', n, n FROM contacts, numbers",
    )
    .execute(writer)
    .await
    .unwrap();
}

/// Five tenants' contacts and members are there already.
#[cfg(feature = "services")]
pub(super) async fn fill_postgres(pool: &sqlx::PgPool) {
    sqlx::raw_sql(
        "INSERT INTO interactions
                 (id, tenant_id, contact_id, status, reason, assignee, next_action_at, creator, created_at, updated_at)
             SELECT md5('i' || name || n)::uuid, id, md5('c' || (n % 3000 + 1))::uuid,
                 (ARRAY['todo', 'in_progress', 'done'])[n % 3 + 1], 'email_opened',
                 CASE WHEN n % 4 > 0 THEN md5('a' || (n % 20 + 1))::uuid END, CASE WHEN n % 5 > 0 THEN n END, 'system', n, n
             FROM tenants, generate_series(1, 20000) n;
         INSERT INTO interaction_changes
             SELECT tenant_id, id, v, 0, 'system', 'status', NULL, NULL FROM interactions, generate_series(1, 2) v
             WHERE created_at <= 3000;
         INSERT INTO interaction_words
             SELECT tenant_id, substring(sha256((w || '-' || created_at % (w * 50))::text::bytea) FROM 1 FOR 16), created_at, id
             FROM interactions, generate_series(1, 4) w;
         INSERT INTO reminders (tenant_id, interaction_id, due_at, assignee)
             SELECT tenant_id, id, 0, assignee FROM interactions WHERE assignee IS NOT NULL AND created_at <= 6000;
         ANALYZE",
    )
    .execute(pool)
    .await
    .unwrap();
}
