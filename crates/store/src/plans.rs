//! The lists that tenants read all day are answered from an index, however big their tables are: no plan may read a
//! whole big table, or sort what an index has sorted already.
#![allow(clippy::unwrap_used)]

mod accounts;
mod interactions;
mod scores;

use chrono::DateTime;
use domain::{AuditAction, Channel, ContactId, MessageId, Status, Suppression, TenantId};
use sqlx::{AssertSqlSafe, Execute as _, QueryBuilder};
use uuid::Uuid;

use crate::{AuditFilter, ConnectOptions, Cursor, Db, MessageFilter, SuppressionFilter};

const TENANT: TenantId = TenantId(Uuid::from_u128(1));

/// (what it is for, its text) of each list in each form that a caller can ask for.
macro_rules! lists {
    ($dialect:ty) => {{
        let cursor = Some(Cursor {
            at: DateTime::from_timestamp_millis(5).unwrap(),
            id: Uuid::from_u128(5),
        });
        let mut lists = vec![
            ("hot leads", crate::leads::HOT.to_owned()),
            ("scores that lose a week's share", crate::score_decay::DUE.to_owned()),
            ("scores of long silence", crate::retention::IDLE_SCORES.to_owned()),
            ("old messages", crate::retention::OLD_SENDS[0].to_owned()),
            ("crossings to be handed on", crate::crossings::WAITING.to_owned()),
            ("delivery rates", crate::delivery_daily::RATES.to_owned()),
            ("messages of long silence", crate::open_messages::SILENT.to_owned()),
            (
                "the latest message to somebody",
                crate::record_inbound::LATEST.to_owned(),
            ),
            (
                "the latest message to somebody by a channel",
                crate::record_inbound::LATEST_BY.to_owned(),
            ),
            (
                "challenges of a recipient",
                crate::otp_challenges::TO_RECIPIENT.to_owned(),
            ),
            ("challenges of a caller", crate::otp_challenges::BY_CALLER.to_owned()),
            ("an interaction's changes", crate::interaction_changes::LIST.to_owned()),
            ("overdue interactions", crate::reminders::OVERDUE.to_owned()),
            ("what a message told", crate::reminder_marks::TOLD_BY.to_owned()),
            ("members to remind", crate::reminders::ASSIGNEES.to_owned()),
            ("whose name it is", crate::message_names::OWNERS[0].to_owned()),
            ("whose name it was", crate::message_names::OWNERS[1].to_owned()),
            ("when links were asked for", crate::sign_in_links::TRIES.to_owned()),
        ];
        let mut add = |name: &'static str, mut query: QueryBuilder<$dialect>| {
            lists.push((name, query.build().sql().as_str().to_owned()));
        };
        for after in [None, cursor] {
            let all = MessageFilter::default();
            add("messages", crate::messages::list!(TENANT, all, after, 50));
            let opened = MessageFilter {
                status: Some(Status::Opened),
                unclear: Some(false),
                ..MessageFilter::default()
            };
            add(
                "messages of a status",
                crate::messages::list!(TENANT, opened, after, 50),
            );
            let of_contact = MessageFilter {
                contact: Some(ContactId(Uuid::from_u128(3))),
                ..MessageFilter::default()
            };
            add(
                "messages to a contact",
                crate::messages::list!(TENANT, of_contact, after, 50),
            );
            let of_person = MessageFilter {
                person: Some("ada".into()),
                ..MessageFilter::default()
            };
            add(
                "messages to a person",
                crate::messages::list!(TENANT, of_person, after, 50),
            );
            add(
                "events of a message",
                crate::message_events::events!(TENANT, MessageId(Uuid::from_u128(2)), after, 50),
            );
            let all = SuppressionFilter::default();
            add("suppressions", crate::suppressions::list!(TENANT, all, after, 50));
            let stops = SuppressionFilter {
                channel: Some(Channel::Sms),
                reason: Some(Suppression::Stop),
            };
            add(
                "suppressions of a kind",
                crate::suppressions::list!(TENANT, stops, after, 50),
            );
            add("templates", crate::templates::list!(TENANT, None::<&str>, after, 50));
            add(
                "versions of a template",
                crate::templates::list!(TENANT, Some("welcome"), after, 50),
            );
            add(
                "messages that came in",
                crate::inbound_messages::list!(TENANT, None::<ContactId>, after, 50),
            );
            add(
                "messages that came in from a contact",
                crate::inbound_messages::list!(TENANT, Some(ContactId(Uuid::from_u128(3))), after, 50),
            );
            add("bulk actions", crate::bulk_actions::list!(after, 50));
            for (name, filter) in interactions::inboxes() {
                let hashes = interactions::hashes(&filter);
                add(
                    name,
                    // Fewer than the narrowest list has here: what is read whole may be sorted.
                    crate::interaction_inbox::inbox!(TENANT, &filter, &hashes, None, after, 5),
                );
            }
            add("members", crate::member_rows::list!(TENANT, after, 50));
            add("invitations", crate::invitations::list!(TENANT, after, 50));
            add("keys", crate::api_keys::list!(TENANT, after, 50));
            let (all, some) = (
                AuditFilter::default(),
                AuditFilter {
                    action: Some(AuditAction::PermissionRefused),
                    since: DateTime::from_timestamp_millis(1),
                    until: DateTime::from_timestamp_millis(9),
                },
            );
            for tenant in [None, Some(TENANT.0)] {
                add("who did what", crate::audit_log::list!(tenant, all, after, 50));
                add("who did one thing", crate::audit_log::list!(tenant, some, after, 50));
            }
        }
        lists
    }};
}

/// A list that is named after an index is read along that one.
fn goes_along(name: &str, plan: &str) {
    if let Some((_, index)) = name.split_once(" along ") {
        assert!(plan.contains(index), "{name}:\n{plan}");
    }
}

/// Pages that were read already.
const STATUSES: [&str; 2] = ["SCAN todo", "SCAN in_progress"];

#[tokio::test]
async fn no_list_reads_a_whole_table_on_sqlite() {
    let file = testkit::sqlite::fresh();
    let db = Db::connect(file.url(), &ConnectOptions::default()).await.unwrap();
    crate::migrate(&db).await.unwrap();
    let Db::Sqlite { writer, .. } = &db else { unreachable!() };
    accounts::fill_sqlite(writer).await;
    interactions::fill_sqlite(writer).await;
    let steps = crate::sign_in_links::FORGET.iter().chain(&crate::tenants::THIN);
    let steps = steps.chain([&crate::message_requests::FORGET]);
    let steps = steps
        .chain(&crate::retention::DUE)
        .chain(crate::retention::OLD_CROSSINGS.iter().take(1));
    let steps = steps.map(|step| ("what goes in steps", (*step).to_owned()));
    for (name, list) in lists!(sqlx::Sqlite).into_iter().chain(steps) {
        let statement = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {list}"));
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(statement).fetch_all(writer).await.unwrap();
        let plan = steps.into_iter().map(|step| step.3).collect::<Vec<_>>().join("\n");
        let is_merged = name.starts_with(interactions::MERGED);
        let whole = plan.lines().filter(|step| step.starts_with("SCAN"));
        let whole = whole.filter(|step| !is_merged || !STATUSES.contains(step)).count();
        assert_eq!(whole, 0, "{name}:\n{plan}");
        assert!(is_merged || !plan.contains("TEMP B-TREE"), "{name}:\n{plan}");
        goes_along(name, &plan);
    }
    let plan = scores::plan_on_sqlite(writer).await;
    assert!(!plan.contains("SCAN"), "ledgers that are summed:\n{plan}");
}

#[cfg(feature = "services")]
#[tokio::test]
async fn no_list_reads_a_whole_table_on_postgres() {
    let database = testkit::postgres::fresh().await;
    let db = Db::connect(database.url(), &ConnectOptions::default()).await.unwrap();
    crate::migrate(&db).await.unwrap();
    let Db::Postgres(pool) = &db else { unreachable!() };
    // Big enough for a planner to care: five tenants with 3,000 messages each.
    sqlx::raw_sql(
        "INSERT INTO tenants SELECT lpad(to_hex(t), 32, '0')::uuid, 't' || t, '', 0 FROM generate_series(1, 5) t;
         INSERT INTO contacts SELECT id, md5('c' || n)::uuid, 'person', 'p' || n, NULL, n, NULL
             FROM tenants, generate_series(1, 3000) n;
         INSERT INTO messages (tenant_id, id, channel, provider, external_id, contact_id, status, created_at)
             SELECT id, md5('m' || n)::uuid, 'email', 'sendgrid', n, md5('c' || n)::uuid,
                    (ARRAY['sent', 'opened', 'clicked'])[n % 3 + 1], n
             FROM tenants, generate_series(1, 3000) n;
         INSERT INTO message_events (id, tenant_id, message_id, kind, occurred_at, recorded_at)
             SELECT md5('e' || m.tenant_id || m.id || n)::uuid, tenant_id, id, 'opened', n, n
             FROM messages m, generate_series(1, 2) n;
         UPDATE messages SET looked_at = created_at, recipient_hash = sha256(id::text::bytea) WHERE created_at % 5 = 0;
         INSERT INTO message_attempts
                 (tenant_id, message_id, number, provider, state, external_id, started_at, ended_at)
             SELECT tenant_id, id, 1, 'twilio', 'sent', external_id, 0, 0 FROM messages;
         INSERT INTO delivery_daily
             SELECT id, n, 'sms', 'twilio', 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 FROM tenants, generate_series(1, 3000) n;
         INSERT INTO suppressions
             SELECT md5('s' || name || n)::uuid, id, 'sms', sha256(n::text::bytea), 'stop', n, NULL, 's', NULL
             FROM tenants, generate_series(1, 3000) n;
         INSERT INTO templates
             SELECT md5('t' || name || n)::uuid, id, CASE WHEN n % 10 = 0 THEN 'welcome' ELSE 't' || n END, 'fr', n, NULL, 'x',
                    NULL, NULL, n, CASE WHEN n % 10 = 0 THEN n END
             FROM tenants, generate_series(1, 3000) n;
         INSERT INTO inbound_messages
             SELECT md5('r' || name || n)::uuid, id, 'sms', 'twilio', n, md5('c' || n)::uuid, sha256(n::text::bytea), '', NULL,
                    NULL, NULL, 'yes', NULL, NULL, n, n
             FROM tenants, generate_series(1, 3000) n;
         INSERT INTO otp_challenges
             SELECT id, md5('o' || name || n)::uuid, 'sms', 'fr', '', sha256((n % 50)::text::bytea), 'k', md5('k' || n % 5)::uuid,
                    n, n, 5, NULL
             FROM tenants, generate_series(1, 3000) n;
         INSERT INTO bulk_actions (id, act, filter, rate, state, matched, asked_by, created_at, updated_at)
             SELECT md5('b' || n)::uuid, 'retry', '{}', 1, 'done', 0, 'a', n, n FROM generate_series(1, 3000) n;
         ANALYZE",
    )
    .execute(pool)
    .await
    .unwrap();
    accounts::fill_postgres(pool).await;
    interactions::fill_postgres(pool).await;
    scores::fill_postgres(pool).await;
    for (name, list) in lists!(sqlx::Postgres) {
        // Planned for any value, as a statement prepared once is: the values are not looked at.
        let statement = format!("SET plan_cache_mode = force_generic_plan; PREPARE list AS {list}");
        let mut connection = pool.acquire().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await
            .unwrap();
        let count = (1..).take_while(|number| list.contains(&format!("${number}"))).count();
        let parameters = vec!["NULL"; count].join(", ");
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE list({parameters})"));
        let steps: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut *connection).await.unwrap();
        sqlx::raw_sql("DEALLOCATE list")
            .execute(&mut *connection)
            .await
            .unwrap();
        let plan = steps.join("\n");
        // What is sorted by itself and only merged has a "Sort Key", too.
        let all = ["Seq Scan", "Sort  (", "Bitmap", "Hash"];
        // Where few are expected, because several words or more than words are asked for, those are found and then sorted.
        let may_sort = name.starts_with("narrowed words") || name.starts_with(interactions::MERGED);
        let steps = if may_sort { &all[..1] } else { &all };
        for &step in steps {
            assert!(!plan.contains(step), "{name}:\n{plan}");
        }
        goes_along(name, &plan);
    }
    let plan = scores::plan_on_postgres(pool).await;
    assert!(!plan.contains("Seq Scan"), "ledgers that are summed:\n{plan}");
}
