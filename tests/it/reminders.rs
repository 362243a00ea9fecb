//! People are told what of their work is overdue: once for each time that was planned, whoever dies meanwhile.
//!
//! The first tick is that of three processes. Those after it come when the test says so: to clocks within it, which go by a time
//! of some ticks ago, because what a clock adds in the past runs at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{TimeDelta, Utc};
use domain::{
    Actor, Author, Channel, EmailAddress, InteractionId, Notify, PersonalText, Recipient, Role, TenantId, UserId,
};
use futures_util::future::join_all;
use jobs::Remind;
use jobs::schedule::{Make, Missed, Schedule, Tz};
use queue::{Client, Clock};
use relais::clock::keeper::Keeper;
use relais::clock::plan;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::AssertSqlSafe;
use store::{Db, InteractionCreated, InteractionDraft, MemberChanged, NewMember, Store, WithWhom};
use testkit::process::Program;

use crate::app::{Combination, answer, on_every_combination, shortest_lease};
use crate::outside::Sending;

/// Work that is overdue at once …
const OVERDUE: usize = 10_000;
/// … of so many members, each of whom has more of it than is told one by one.
const MEMBERS: usize = 20;
/// Between two ticks of the schedule, in seconds.
const TICK: i64 = 300;
/// How long ago the first tick of the clocks within the test was, in ticks.
const TICKS_AGO: i64 = 6;

static SCHEDULE: [Schedule; 1] = [Schedule {
    name: "remind",
    cron: "*/5 * * * *",
    time_zone: Tz::UTC,
    missed: Missed::Skip,
    job: &Make(|tick| Remind { tick }),
}];

/// Three clocks that go by one time.
struct Clocks {
    now: Arc<AtomicI64>,
    keepers: Vec<Keeper>,
}

impl Clocks {
    fn start(sending: &Sending) -> Self {
        let tick = Utc::now().timestamp() / TICK * TICK;
        let now = Arc::new(AtomicI64::new((tick - TICKS_AGO * TICK) * 1000));
        let keyring = sending.app.client().keyring().clone();
        let keeper = |_| {
            let queue = Client::new(sending.app.queue(), keyring.clone(), Clock::Manual(Arc::clone(&now)));
            Keeper::new(plan(&SCHEDULE).unwrap().remove(0), queue)
        };
        Self {
            keepers: (0..3).map(keeper).collect(),
            now,
        }
    }

    /// The next tick comes, and every clock sees it.
    async fn tick(&mut self) {
        self.now.fetch_add(TICK * 1000, Ordering::SeqCst);
        join_all(self.keepers.iter_mut().map(Keeper::step)).await;
    }
}

/// The tenant's people and their work, past the API.
struct Office {
    store: Store,
    tenant: TenantId,
}

impl Office {
    async fn of(sending: &Sending) -> Self {
        Self {
            store: sending.app.store().await,
            tenant: sending.app.tenant.parse().unwrap(),
        }
    }

    async fn join(&self, name: &str, role: Role, notify: Notify) -> UserId {
        let new = NewMember {
            email: EmailAddress::parse(&format!("{name}@example.com")).unwrap(),
            role,
            name: None,
            notify,
            language: None,
        };
        let added = self
            .store
            .add_member(self.tenant, &new, Role::Owner, &Author::system(), Utc::now())
            .await
            .unwrap();
        match added {
            MemberChanged::Done(member) => member.user,
            other => panic!("{other:?}"),
        }
    }

    async fn overdue(&self, assignee: UserId, title: &str) -> InteractionId {
        let draft = InteractionDraft {
            with: WithWhom::Person("ana".into()),
            title: Some(PersonalText::new(title)),
            note: None,
            assignee: Some(assignee),
            next_action_at: Some(Utc::now() - TimeDelta::hours(1)),
        };
        let created = self
            .store
            .create_interaction(self.tenant, &draft, &Actor::System, Utc::now())
            .await
            .unwrap();
        match created {
            InteractionCreated::Created(created) => created.id,
            other => panic!("{other:?}"),
        }
    }

    /// Gives the sales people the same amount of overdue work each.
    async fn fill(&self) {
        let id = match self.store.db() {
            Db::Postgres(_) => "gen_random_uuid()",
            Db::Sqlite { .. } => "randomblob(16)",
        };
        let past = (Utc::now() - TimeDelta::hours(2)).timestamp_millis();
        let statement = AssertSqlSafe(format!(
            "INSERT INTO interactions
                 (id, tenant_id, contact_id, status, reason, assignee, next_action_at, creator, created_at, updated_at)
             WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {OVERDUE} - 1),
             members AS (SELECT tenant_id, user_id, ROW_NUMBER() OVER (ORDER BY user_id) - 1 AS place
                         FROM memberships WHERE role = 'sales')
             SELECT {id}, members.tenant_id, contacts.id, 'todo', 'reply', members.user_id, {past} + n, 'system', {past}, {past}
             FROM numbers JOIN members ON members.place = n % {MEMBERS}
             JOIN contacts ON contacts.tenant_id = members.tenant_id AND contacts.external_id = 'ana'"
        ));
        match self.store.db() {
            Db::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(|_| ()),
            Db::Sqlite { writer, .. } => sqlx::query(statement).execute(writer).await.map(|_| ()),
        }
        .unwrap();
    }

    async fn count(&self, statement: &'static str) -> i64 {
        match self.store.db() {
            Db::Postgres(pool) => sqlx::query_scalar(statement).fetch_one(pool).await.unwrap(),
            Db::Sqlite { readers, .. } => sqlx::query_scalar(statement).fetch_one(readers).await.unwrap(),
        }
    }
}

fn number(place: usize) -> String {
    format!("+120255501{place:02}")
}

fn by_sms(number: &str) -> Notify {
    Notify::To(Channel::Sms, Recipient::parse(Channel::Sms, number).unwrap())
}

/// What telephones were told, by number.
fn told(sending: &Sending) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for effect in sending.simulator.ledger().effects() {
        let texts = told.entry(effect.to.expose().to_owned()).or_default();
        texts.push(effect.text.expose().to_owned());
    }
    told
}

on_every_combination!(ten_thousand_overdue_at_once_are_told_once_although_clocks_race_and_workers_die);

async fn ten_thousand_overdue_at_once_are_told_once_although_clocks_race_and_workers_die(combination: Combination) {
    let further = |setup: crate::app::Setup| setup.workers(0).with("JOB_LEASE", shortest_lease());
    let mut sending = Sending::with(combination, further).await;
    let twilio = sending.good("twilio");
    sending.route("sms", &[&twilio]);
    let office = Office::of(&sending).await;
    for place in 0..MEMBERS {
        office
            .join(&format!("sales{place}"), Role::Sales, by_sms(&number(place)))
            .await;
    }
    let ben = office.join("ben", Role::Member, by_sms("+12025550199")).await;
    let eve = office.join("eve", Role::Member, Notify::None).await;
    let first = office.overdue(ben, "Call Ana").await;
    office.overdue(ben, "Write to Ana").await;
    let silent = office.overdue(eve, "Visit Ana").await;
    office.fill().await;

    let processes: Vec<Program> = (0..3).map(|_| sending.app.start_clock()).collect();
    for clock in &processes {
        clock.wait_for("\"remind\"").await;
    }
    // The first worker dies while it marks, the second while people are told.
    let worker = sending.app.start_worker().await;
    let marked = async || {
        office
            .count("SELECT COUNT(*) FROM interactions WHERE notified_at IS NOT NULL")
            .await
            > 0
    };
    sending.app.wait_until("some are marked", marked).await;
    sending.app.worker(worker).kill();
    let worker = sending.app.start_worker().await;
    sending.wait_for_first().await;
    sending.app.worker(worker).kill();
    sending.app.start_worker().await;
    sending.wait_for_effects(MEMBERS + 2).await;

    let each = OVERDUE / MEMBERS;
    let all = told(&sending);
    for place in 0..MEMBERS {
        let texts = &all[&number(place)];
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(
            texts[0].starts_with(&format!("{each} things to do are overdue")),
            "{texts:?}"
        );
    }
    let mut texts = all["+12025550199"].clone();
    texts.sort();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("Reminder: “Call Ana” was due on "), "{texts:?}");
    assert_eq!(all.len(), MEMBERS + 1);
    let shown = sending.app.ask(&format!("/v1/interactions/{silent}")).await;
    assert_eq!(shown["warning"], "no_channel");
    assert_eq!(office.count("SELECT COUNT(*) FROM reminders").await, 0);

    let mut clocks = Clocks::start(&sending);
    clocks.tick().await;
    sending.app.wait_until_idle().await;
    assert_eq!(told(&sending), all, "the second pass tells nobody");

    let path = format!("/v1/interactions/{first}/next-action");
    let moved = Utc::now() - TimeDelta::minutes(5);
    let request = sending
        .app
        .ask_with(Method::PATCH, &path)
        .bearer_auth(&sending.app.api_key);
    let moved = answer(request.json(&json!({ "next_action_at": moved }))).await;
    assert_eq!(
        (moved.status, &moved.body["notified_at"]),
        (StatusCode::OK, &json!(null))
    );
    for _ in 0..2 {
        clocks.tick().await;
        sending.app.wait_until_idle().await;
    }
    sending.wait_for_effects(MEMBERS + 3).await;
    assert_eq!(
        told(&sending)["+12025550199"].len(),
        3,
        "what was moved is told anew, once"
    );
}
