//! How long a page of the inbox takes, of one tenant with very many interactions.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use domain::interaction::{Due, InteractionStatus};
use domain::{Actor, Author, EmailAddress, Notify, PersonalText, Role, TenantId, UserId};
use jobs::schedule::Tz;
use serde_json::json;
use sqlx::AssertSqlSafe;
use store::{
    ConnectOptions, Db, Holder, InboxFilter, InteractionDraft, MemberChanged, NewMember, Planned, Store, WithWhom,
};

use crate::figures::Spread;
use crate::place::Kind;
use crate::report::Report;
use crate::scale::Scale;
use crate::services::Services;
use crate::table::ms;

const MEMBERS: usize = 100;
/// Interactions with texts that can be searched.
const SEARCHED: usize = 1_000;
const PAGE: u32 = 50;
/// Every so many pages are read from the list's beginning; those between go on where the one before ended.
const PAGES_IN_A_ROW: usize = 4;

pub(crate) async fn measure(scale: &Scale, services: &Services) -> anyhow::Result<()> {
    let mut report = Report::new("inbox", &["list of 50", "p50 ms", "p99 ms"]);
    let mut figures = Vec::new();
    for kind in services.kinds() {
        if kind == Kind::Redis {
            continue;
        }
        eprintln!("inbox: {}", kind.name());
        let place = services.place(kind).await?;
        let office = Office::open(&place.url).await?;
        office.fill(scale.interactions).await?;
        for (name, filter) in office.filters() {
            let spread = office.time(&filter, scale.pages).await?;
            report.row([format!("{}, {name}", kind.name()), ms(spread.p50_us), ms(spread.p99_us)]);
            figures.push(json!({ "backend": kind, "list": name, "spread": spread }));
        }
        office.store.db().close().await;
        services.clear(&place).await?;
    }
    report.note(format!(
        "{} pages of each, read from the store one after the other, of one tenant with {} interactions of {MEMBERS} members; \
         every {PAGES_IN_A_ROW}th page is a first one. Wanted on Postgres with a million: p99 below 20 ms.",
        scale.pages, scale.interactions
    ));
    report.finish(scale, json!(figures))
}

/// A tenant with members.
struct Office {
    store: Store,
    tenant: TenantId,
    members: Vec<UserId>,
    now: DateTime<Utc>,
}

impl Office {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let db = Db::connect(url, &ConnectOptions::default()).await?;
        let store = Store::new(db, seal::Keyring::parse(&seal::Keyring::generate("bench"))?);
        let now = Utc::now();
        let tenant = store.create_tenant("Bench", now).await?.id;
        let mut members = Vec::with_capacity(MEMBERS);
        for number in 0..MEMBERS {
            let new = NewMember {
                email: EmailAddress::parse(&format!("m{number}@example.com"))?,
                role: Role::Sales,
                name: None,
                notify: Notify::None,
                language: None,
            };
            match store
                .add_member(tenant, &new, Role::Owner, &Author::system(), now)
                .await?
            {
                MemberChanged::Done(member) => members.push(member.user),
                other => bail!("{other:?}"),
            }
        }
        Ok(Self {
            store,
            tenant,
            members,
            now,
        })
    }

    /// A fifth is nobody's, a fifth is not planned, most is done; the rest is planned around now.
    async fn fill(&self, interactions: usize) -> anyhow::Result<()> {
        for number in 0..SEARCHED.min(interactions) {
            let draft = InteractionDraft {
                with: WithWhom::Person("ana".into()),
                title: Some(PersonalText::new(format!("offer {number} for client {}", number % 10))),
                note: None,
                assignee: self.members.get(number % MEMBERS).copied(),
                next_action_at: None,
            };
            let created = self
                .store
                .create_interaction(self.tenant, &draft, &Actor::System, self.now);
            created.await?;
        }
        let now = self.now.timestamp_millis();
        let id = match self.store.db() {
            Db::Postgres(_) => "gen_random_uuid()",
            Db::Sqlite { .. } => "randomblob(16)",
        };
        let fill = AssertSqlSafe(format!(
            "INSERT INTO interactions
                 (id, tenant_id, contact_id, status, reason, assignee, next_action_at, creator, created_at, updated_at)
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {interactions}),
             members AS (SELECT user_id, ROW_NUMBER() OVER (ORDER BY user_id) - 1 AS place FROM memberships)
             SELECT {id}, contacts.tenant_id, contacts.id,
                 CASE n % 5 WHEN 0 THEN 'todo' WHEN 1 THEN 'in_progress' ELSE 'done' END, 'reply',
                 CASE WHEN n % 7 < 5 THEN members.user_id END,
                 CASE WHEN n % 11 < 9 THEN {now} + (n % 2000 - 1000) * 600000 END, 'system', {now} - n * 1000, {now}
             FROM numbers JOIN members ON members.place = n % {MEMBERS}
             JOIN contacts ON contacts.external_id = 'ana'"
        ));
        match self.store.db() {
            Db::Postgres(pool) => {
                // In one transaction that may last.
                let mut connection = pool.acquire().await?;
                sqlx::query("SET statement_timeout = 0")
                    .execute(&mut *connection)
                    .await?;
                sqlx::query(fill).execute(&mut *connection).await?;
                sqlx::query("VACUUM ANALYZE").execute(&mut *connection).await?;
            }
            Db::Sqlite { writer, .. } => {
                sqlx::query(fill).execute(writer).await?;
            }
        }
        Ok(())
    }

    fn filters(&self) -> Vec<(&'static str, InboxFilter)> {
        let member = self.members.first().copied().map(Holder::User);
        let of = |due: Due| due.window(self.now, Tz::UTC).map_or(Planned::Not, Planned::Within);
        let narrowed = |status, holder, planned| InboxFilter {
            status,
            holder,
            planned,
            question: None,
        };
        let searched = InboxFilter {
            question: Some("offer client".to_owned()),
            ..InboxFilter::default()
        };
        let todo = Some(InteractionStatus::Todo);
        vec![
            ("all", InboxFilter::default()),
            ("of a status", narrowed(todo, None, None)),
            ("of a member", narrowed(None, member, None)),
            ("of a member, of a status", narrowed(todo, member, None)),
            ("of nobody", narrowed(None, Some(Holder::Nobody), None)),
            ("overdue", narrowed(None, None, Some(of(Due::Overdue)))),
            ("overdue, of a member", narrowed(None, member, Some(of(Due::Overdue)))),
            ("today, of a member", narrowed(None, member, Some(of(Due::Today)))),
            ("upcoming, of a status", narrowed(todo, None, Some(of(Due::Upcoming)))),
            ("not planned, of a member", narrowed(None, member, Some(of(Due::None)))),
            ("with two words", searched),
        ]
    }

    async fn time(&self, filter: &InboxFilter, pages: usize) -> anyhow::Result<Spread> {
        let mut times: Vec<Duration> = Vec::with_capacity(pages);
        let mut after = None;
        for page in 0..pages {
            let from = after.filter(|_| page % PAGES_IN_A_ROW != 0);
            let began = Instant::now();
            let found = self.store.inbox(self.tenant, filter, from, PAGE).await;
            times.push(began.elapsed());
            after = found.context("a page")?.next;
        }
        Ok(Spread::of(times))
    }
}
