//! An installation in this process whose members have work: store, queue, a clock that stands still.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;

use chrono::{DateTime, TimeDelta, Utc};
use domain::interaction::Warning;
use domain::{
    Actor, Author, Channel, EmailAddress, InteractionId, Language, Notify, PersonalText, Recipient, Role, TenantId,
    UserId,
};
use jobs::sending::{Content, Sending};
use jobs::{Ctx, Outside, Remind};
use queue::backend::{ClaimRequest, Outcome};
use queue::clock::day;
use queue::envelope::Envelope;
use queue::sql::{SqlOptions, SqlQueue};
use queue::{Attempt, Client, Clock, Job, JobId, Notes, Queue, StartsAt};
use seal::Keyring;
use store::{
    ConnectOptions, Db, InteractionCreated, InteractionDraft, MemberChanged, NewCredential, NewMember, Senders,
    Settings, Store, StoreError, WithWhom,
};
use uuid::Uuid;

/// More waits than a run has.
pub(crate) const WAITS_MAX: u32 = 1000;
/// More runs than any test needs.
const RUNS_MAX: u32 = 100;

/// An installation in this process, with a clock that stands still.
pub(crate) struct Office {
    pub(crate) ctx: Ctx,
    now: Arc<AtomicI64>,
    ticks: AtomicI64,
    _database: Box<dyn Any>,
}

/// A tenant of it.
pub(crate) struct Desk<'a> {
    office: &'a Office,
    pub(crate) tenant: TenantId,
}

impl Office {
    pub(crate) async fn sqlite() -> Self {
        let database = testkit::sqlite::fresh();
        let url = database.url().to_owned();
        Self::over(&url, Box::new(database)).await
    }

    #[cfg(feature = "services")]
    pub(crate) async fn postgres() -> Self {
        let database = testkit::postgres::fresh().await;
        let url = database.url().to_owned();
        Self::over(&url, Box::new(database)).await
    }

    async fn over(url: &str, database: Box<dyn Any>) -> Self {
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
    pub(crate) async fn tenant(&self, name: &str) -> Desk<'_> {
        let store = &self.ctx.store;
        let tenant = store.create_tenant(name, self.now()).await.unwrap().id;
        for (provider, channel) in [("twilio", Channel::Sms), ("sendgrid", Channel::Email)] {
            let new = NewCredential {
                provider,
                label: provider,
                clear: &"{}".into(),
                preview: "…",
            };
            let made = store
                .create_credential(tenant, &new, &Author::system(), self.now())
                .await;
            let credential = made.unwrap().id;
            store.set_route(tenant, channel, &[credential]).await.unwrap();
        }
        let desk = Desk { office: self, tenant };
        desk.set(Settings::default()).await;
        desk
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// Runs the next tick's job to its end.
    pub(crate) async fn remind(&self) {
        assert_eq!(self.run(WAITS_MAX).await, Some(Ok(())));
    }

    /// Runs tick after tick until all that is overdue was found: a row may still be locked by a worker that died, until the
    /// database notices, and is passed over meanwhile.
    pub(crate) async fn remind_all(&self) {
        for _ in 0..RUNS_MAX {
            self.remind().await;
            if self.unmarked().await == 0 {
                return;
            }
        }
        panic!("something is never found");
    }

    async fn unmarked(&self) -> i64 {
        let statement = "SELECT COUNT(*) FROM interactions WHERE notified_at IS NULL";
        match self.ctx.store.db() {
            Db::Postgres(pool) => sqlx::query_scalar(statement).fetch_one(pool).await.unwrap(),
            Db::Sqlite { readers, .. } => sqlx::query_scalar(statement).fetch_one(readers).await.unwrap(),
        }
    }

    /// Runs a tick's job until it has waited so many times, and drops it. `None`: dropped.
    pub(crate) async fn run(&self, waits: u32) -> Option<Result<(), String>> {
        let job = Remind {
            tick: self.ticks.fetch_add(1, Ordering::SeqCst),
        };
        let attempt = Attempt {
            job: JobId::derive(Remind::KIND, Uuid::nil(), &job.unique()),
            tenant: Uuid::nil(),
            number: 1,
            correlation: Uuid::nil(),
            starts_at: StartsAt::default(),
            notes: Notes::default(),
        };
        let ran = cut_short(job.run(&self.ctx, &attempt), waits).await;
        ran.map(|ran| ran.map_err(|error| format!("{error:?}")))
    }

    /// How often something was counted of the job.
    pub(crate) async fn counted(&self, name: &str) -> u64 {
        let counters = self.ctx.queue.backend().counters().await.unwrap();
        let of_it = counters
            .into_iter()
            .filter(|(counter, _)| (counter.kind.as_str(), counter.name.as_str()) == (Remind::KIND, name));
        of_it.map(|(_, count)| count).sum()
    }

    /// Takes the messages that are to be sent: what they say, by recipient.
    pub(crate) async fn sent(&self) -> BTreeMap<String, Vec<String>> {
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
    pub(crate) async fn set(&self, settings: Settings) {
        let senders = Senders {
            email: Some(PersonalText::new("desk@example.com")),
            sms: Some(PersonalText::new("+15005550006")),
            whatsapp: None,
        };
        let settings = Settings { senders, ..settings };
        self.set_by(&self.office.ctx.store, settings).await;
    }

    async fn set_by(&self, store: &Store, settings: Settings) {
        let change = |_| Ok::<_, StoreError>(settings);
        store
            .change_settings(self.tenant, change, &Author::system(), self.office.now())
            .await
            .unwrap();
    }

    /// What was sealed with it cannot be read by this installation. Answers who can.
    pub(crate) async fn seal_settings_under_a_lost_key(&self) -> Store {
        let lost = Keyring::parse(&Keyring::generate("lost")).unwrap();
        let lost = Store::new(self.office.ctx.store.db().clone(), lost);
        let settings = Settings {
            senders: Senders {
                email: Some(PersonalText::new("desk@example.com")),
                ..Senders::default()
            },
            ..Settings::default()
        };
        // Whoever changes something reads it first.
        self.set_by(&self.office.ctx.store, Settings::default()).await;
        self.set_by(&lost, settings).await;
        lost
    }

    /// Nothing of the settings is sealed under a lost key any more.
    pub(crate) async fn find_the_key_again(&self, lost: &Store) {
        self.set_by(lost, Settings::default()).await;
        self.set(Settings::default()).await;
    }

    pub(crate) async fn member(&self, name: &str, notify: Notify, language: Option<Language>) -> UserId {
        let new = NewMember {
            email: EmailAddress::parse(&format!("{name}@example.com")).unwrap(),
            role: Role::Sales,
            name: None,
            notify,
            language,
        };
        let store = &self.office.ctx.store;
        let (author, now) = (Author::system(), self.office.now());
        let added = store.add_member(self.tenant, &new, Role::Owner, &author, now).await;
        match added.unwrap() {
            MemberChanged::Done(member) => member.user,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn overdue(&self, assignee: UserId, titles: &[&str]) -> Vec<InteractionId> {
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

    pub(crate) async fn warning(&self, id: InteractionId) -> Option<Warning> {
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

pub(crate) fn by_sms(number: &str) -> Notify {
    Notify::To(Channel::Sms, Recipient::parse(Channel::Sms, number).unwrap())
}

/// Lets `work` go on until it has waited so many times, then drops it. `None`: dropped.
async fn cut_short<T>(work: impl Future<Output = T>, waits: u32) -> Option<T> {
    let mut work = pin!(work);
    let mut left = waits;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}
