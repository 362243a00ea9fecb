//! Reminders, wherever a worker dies on the way: each overdue interaction is told once, alone or in a digest.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;

use chrono::{DateTime, TimeDelta, Utc};
use domain::interaction::Warning;
use domain::{
    Actor, Author, Channel, EmailAddress, InteractionId, Language, Notify, PersonalText, QuietHours, Recipient, Role,
    TenantId, UserId,
};
use jobs::sending::{Content, Sending};
use jobs::{Ctx, Outside, Remind};
use queue::backend::{ClaimRequest, Outcome};
use queue::clock::day;
use queue::envelope::Envelope;
use queue::sql::{SqlOptions, SqlQueue};
use queue::{Attempt, Client, Clock, Job, JobError, JobId, Queue};
use seal::Keyring;
use store::{
    ConnectOptions, Db, InteractionCreated, InteractionDraft, MemberChanged, NewCredential, NewMember, Senders,
    Settings, Store, WithWhom,
};
use uuid::Uuid;

/// More waits than a run has.
const WAITS_MAX: u32 = 1000;
const HOUR_MS: i64 = 3_600_000;

/// An installation in this process, with a clock that stands still.
struct Office {
    ctx: Ctx,
    now: Arc<AtomicI64>,
    ticks: AtomicI64,
    _database: Box<dyn std::any::Any>,
}

/// A tenant of it.
struct Desk<'a> {
    office: &'a Office,
    tenant: TenantId,
}

impl Office {
    async fn sqlite() -> Self {
        let database = testkit::sqlite::fresh();
        Self::over(&database.url().to_owned(), Box::new(database)).await
    }

    #[cfg(feature = "services")]
    async fn postgres() -> Self {
        let database = testkit::postgres::fresh().await;
        Self::over(&database.url().to_owned(), Box::new(database)).await
    }

    async fn over(url: &str, database: Box<dyn std::any::Any>) -> Self {
        let db = Db::connect(url, &ConnectOptions::default()).await.unwrap();
        store::migrate(&db).await.unwrap();
        let keyring = Keyring::parse(&Keyring::generate("test")).unwrap();
        let queue = SqlQueue::connect(url, &SqlOptions::default()).unwrap();
        // Noon of a day without quiet hours.
        let noon: DateTime<Utc> = "2026-01-15T12:00:00Z".parse().unwrap();
        let now = Arc::new(AtomicI64::new(noon.timestamp_millis()));
        let public_url = "http://localhost:8080".parse().unwrap();
        Self {
            ctx: Ctx {
                store: Store::new(db, keyring.clone()),
                queue: Client::new(Arc::new(queue), keyring, Clock::Manual(Arc::clone(&now))),
                outside: Outside::new(public_url, providers::StandIns::default()).unwrap(),
            },
            now,
            ticks: AtomicI64::new(0),
            _database: database,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.now.load(Ordering::SeqCst)).unwrap()
    }

    /// A tenant with accounts for mail and text messages.
    async fn tenant(&self, name: &str) -> Desk<'_> {
        let store = &self.ctx.store;
        let tenant = store.create_tenant(name, self.now()).await.unwrap().id;
        for (provider, channel) in [("twilio", Channel::Sms), ("sendgrid", Channel::Email)] {
            let new = NewCredential {
                provider,
                label: "main",
                clear: &"{}".into(),
                preview: "…",
            };
            let made = store.create_credential(tenant, &new, &Author::system(), self.now());
            let credential = made.await.unwrap().id;
            store.set_route(tenant, channel, &[credential]).await.unwrap();
        }
        let desk = Desk { office: self, tenant };
        desk.set(Settings::default()).await;
        desk
    }

    /// Runs the next tick's job to its end.
    async fn remind(&self) {
        assert_eq!(self.run_cut_short(WAITS_MAX).await, Some(()));
    }

    /// Runs a tick's job until it has waited so many times, and drops it. `None`: dropped.
    async fn run_cut_short(&self, waits: u32) -> Option<()> {
        let job = Remind {
            tick: self.ticks.fetch_add(1, Ordering::SeqCst),
        };
        let attempt = Attempt {
            job: JobId::derive(Remind::KIND, Uuid::nil(), &job.unique()),
            tenant: Uuid::nil(),
            number: 1,
            correlation: Uuid::nil(),
        };
        cut_short(job.run(&self.ctx, &attempt), waits).await.map(Result::unwrap)
    }

    /// Takes the messages that are to be sent: what they say, by recipient.
    async fn sent(&self) -> BTreeMap<String, Vec<String>> {
        let (backend, now) = (self.ctx.queue.backend(), self.now().timestamp_millis());
        let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
        loop {
            let request = ClaimRequest {
                queue: Queue::Default,
                lane: 0,
                want: 100,
                session: Uuid::from_u128(1),
                until: now + 60_000,
                now,
            };
            let claims = backend.claim(&request).await.unwrap();
            let Some(first) = claims.jobs.first() else { return sent };
            for job in &claims.jobs {
                let envelope = Envelope::decode(&job.body).unwrap();
                let payload = envelope.open(job.id, self.ctx.queue.keyring()).unwrap();
                let sending: Sending = serde_json::from_slice(&payload).unwrap();
                let texts = sent.entry(sending.message.recipient.expose().to_owned()).or_default();
                texts.push(text(&sending.content));
            }
            let settles: Vec<_> = claims
                .jobs
                .iter()
                .map(|job| job.ended(day(now), Outcome::Done))
                .collect();
            let claim = first.ticket.claim;
            backend.settle(Queue::Default, &settles, &[claim], now).await.unwrap();
        }
    }
}

impl Desk<'_> {
    async fn set(&self, settings: Settings) {
        let senders = Senders {
            email: Some(PersonalText::new("desk@example.com")),
            sms: Some(PersonalText::new("+15005550006")),
            whatsapp: None,
        };
        let settings = Settings { senders, ..settings };
        let store = &self.office.ctx.store;
        store
            .set_settings(self.tenant, &settings, self.office.now())
            .await
            .unwrap();
    }

    async fn member(&self, name: &str, notify: Notify, language: Option<Language>) -> UserId {
        let new = NewMember {
            email: EmailAddress::parse(&format!("{name}@example.com")).unwrap(),
            role: Role::Sales,
            name: None,
            notify,
            language,
        };
        let store = &self.office.ctx.store;
        let added = store.add_member(self.tenant, &new, Role::Owner, &Author::system(), self.office.now());
        match added.await.unwrap() {
            MemberChanged::Done(member) => member.user,
            other => panic!("{other:?}"),
        }
    }

    async fn overdue(&self, assignee: UserId, titles: &[&str]) -> Vec<InteractionId> {
        let mut ids = Vec::new();
        for (place, title) in (0..).zip(titles) {
            let draft = InteractionDraft {
                with: WithWhom::Person("ana".into()),
                title: Some(PersonalText::new(*title)),
                note: None,
                assignee: Some(assignee),
                next_action_at: Some(self.office.now() - TimeDelta::hours(1) + TimeDelta::seconds(place)),
            };
            let store = &self.office.ctx.store;
            let created = store.create_interaction(self.tenant, &draft, &Actor::System, self.office.now());
            match created.await.unwrap() {
                InteractionCreated::Created(created) => ids.push(created.id),
                other => panic!("{other:?}"),
            }
        }
        ids
    }

    async fn warning(&self, id: InteractionId) -> Option<Warning> {
        let found = self.office.ctx.store.interaction(self.tenant, id).await.unwrap();
        found.unwrap().warning
    }
}

fn text(content: &Content) -> String {
    let text = match content {
        Content::Text { text } => text,
        Content::Email(body) => body.text.as_ref().unwrap(),
        other => panic!("{other:?}"),
    };
    text.expose().to_owned()
}

fn by_sms(number: &str) -> Notify {
    Notify::To(Channel::Sms, Recipient::parse(Channel::Sms, number).unwrap())
}

/// Lets `work` go on until it has waited so many times, then drops it. `None`: dropped.
async fn cut_short<T>(work: impl Future<Output = Result<T, JobError>>, waits: u32) -> Option<Result<T, String>> {
    let mut work = pin!(work);
    let mut left = waits;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut()
            .poll(context)
            .map(|done| Some(done.map_err(|error| format!("{error:?}"))))
    })
    .await
}

/// Runs each promise on both databases.
macro_rules! both {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            #[tokio::test]
            async fn on_sqlite() {
                super::$promise(crate::Office::sqlite().await).await;
            }

            #[cfg(feature = "services")]
            #[tokio::test]
            async fn on_postgres() {
                super::$promise(crate::Office::postgres().await).await;
            }
        }
    )+};
}

both!(
    a_worker_that_dies_anywhere_tells_nobody_twice_and_forgets_nobody,
    everybody_is_told_as_they_want_and_in_their_language,
    in_quiet_hours_telephones_are_silent_and_in_the_morning_there_is_one_digest,
    who_cannot_be_told_is_a_warning,
);

async fn a_worker_that_dies_anywhere_tells_nobody_twice_and_forgets_nobody(office: Office) {
    for waits in 1..WAITS_MAX {
        let desk = office.tenant(&format!("after {waits} waits")).await;
        let ben = desk.member("ben", Notify::Email, None).await;
        let eve = desk.member("eve", by_sms("+12025550143"), None).await;
        desk.overdue(ben, &["a", "b"]).await;
        desk.overdue(eve, &["c", "d", "e", "f"]).await;
        let lived = office.run_cut_short(waits).await.is_some();
        office.remind().await;
        let sent = office.sent().await;
        assert_eq!(sent["ben@example.com"].len(), 2, "{waits}: {sent:?}");
        assert_eq!(sent["+12025550143"].len(), 1, "{waits}: {sent:?}");
        assert!(sent["+12025550143"][0].starts_with("4 things"), "{waits}: {sent:?}");
        office.remind().await;
        assert!(office.sent().await.is_empty(), "{waits}: a second pass tells nobody");
        if lived {
            assert!(waits > 10, "it was cut short nowhere");
            return;
        }
    }
    panic!("it never ends");
}

async fn everybody_is_told_as_they_want_and_in_their_language(office: Office) {
    let desk = office.tenant("Acme").await;
    desk.set(Settings {
        time_zone: Some(chrono_tz::Tz::Europe__Paris),
        digest_over: 1,
        ..Settings::default()
    })
    .await;
    let zoe = desk.member("zoe", Notify::Email, Some(Language::French)).await;
    let ben = desk.member("ben", by_sms("+12025550143"), None).await;
    desk.overdue(zoe, &["Rappeler Ana"]).await;
    desk.overdue(ben, &["a", "b", "c", "d", "e"]).await;
    office.remind().await;
    let sent = office.sent().await;
    assert_eq!(
        sent["zoe@example.com"],
        ["Rappel : « Rappeler Ana » était à faire le 15/01/2026 à 12:00."]
    );
    let [digest] = &sent["+12025550143"][..] else {
        panic!("{sent:?}")
    };
    assert!(
        digest.starts_with("5 things to do are overdue:\n- a (15 January 2026 at 12:00)\n- b "),
        "{digest}"
    );
    assert!(digest.ends_with("and 2 more."), "{digest}");
}

async fn in_quiet_hours_telephones_are_silent_and_in_the_morning_there_is_one_digest(office: Office) {
    let desk = office.tenant("Acme").await;
    desk.set(Settings {
        quiet_hours: Some(QuietHours::parse("11:00", "18:00", "UTC").unwrap()),
        ..Settings::default()
    })
    .await;
    let ben = desk.member("ben", by_sms("+12025550143"), None).await;
    let eve = desk.member("eve", Notify::Email, None).await;
    desk.overdue(ben, &["a", "b"]).await;
    desk.overdue(eve, &["mail makes no noise"]).await;
    office.remind().await;
    let sent = office.sent().await;
    assert_eq!(sent.keys().collect::<Vec<_>>(), ["eve@example.com"]);
    let ids = desk.overdue(ben, &["c", "d", "e"]).await;
    office.now.fetch_add(5 * HOUR_MS, Ordering::SeqCst);
    office.remind().await;
    assert!(office.sent().await.is_empty(), "an hour is left");
    let actor = Actor::System;
    let writer = store::Editor {
        actor: &actor,
        role: Role::Owner,
    };
    let store = &office.ctx.store;
    store
        .delete_interaction(desk.tenant, ids[0], writer, None)
        .await
        .unwrap();
    office.now.fetch_add(HOUR_MS, Ordering::SeqCst);
    office.remind().await;
    let sent = office.sent().await;
    assert_eq!(
        sent["+12025550143"].len(),
        3,
        "what is gone by then is not told: {sent:?}"
    );
}

async fn who_cannot_be_told_is_a_warning(office: Office) {
    let desk = office.tenant("Acme").await;
    let silent = desk.member("ben", Notify::None, None).await;
    let whatsapp = Notify::To(
        Channel::Whatsapp,
        Recipient::parse(Channel::Whatsapp, "+12025550143").unwrap(),
    );
    let routeless = desk.member("eve", whatsapp, None).await;
    let silent = desk.overdue(silent, &["a"]).await;
    let routeless = desk.overdue(routeless, &["b", "c", "d", "e"]).await;
    office.remind().await;
    assert!(office.sent().await.is_empty());
    assert_eq!(desk.warning(silent[0]).await, Some(Warning::NoChannel));
    for id in routeless {
        assert_eq!(desk.warning(id).await, Some(Warning::NoRoute));
    }
}
