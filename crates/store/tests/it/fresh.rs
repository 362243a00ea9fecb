//! A migrated database of its own for every test, and the few things that most tests begin with.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Actor, ContactId, EmailAddress, EmailEvent, EmailEventRecord, EndpointId, PersonalText, TenantId};
use seal::Keyring;
use sqlx::AssertSqlSafe;
use store::{Applied, ConnectOptions, Db, InteractionDraft, Message, Recorded, Store, WithWhom};

/// A database that vanishes with the test, a tenant in it and an endpoint of the tenant.
pub(crate) struct Fresh {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) endpoint: EndpointId,
    pub(crate) url: String,
    pub(crate) keyring_text: String,
    _database: Box<dyn Send + Sync>,
}

/// What the tests call now.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_767_225_600_000).unwrap()
}

/// So many seconds from [`now`].
pub(crate) fn second(offset: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(offset)
}

pub(crate) fn options() -> ConnectOptions {
    // More tasks than connections wait in line in some tests; how long the line may be is not what they test.
    ConnectOptions {
        connections: 8,
        acquire_timeout: std::time::Duration::from_secs(60),
    }
}

/// An event of message `external_id`, with everything optional left out.
pub(crate) fn event(external_id: &str, kind: EmailEvent, identity: &str) -> EmailEventRecord {
    EmailEventRecord {
        provider: "sendgrid".into(),
        external_id: external_id.into(),
        kind,
        identity: identity.into(),
        occurred_at: now(),
        recipient: None,
        subject: None,
        person_id: None,
        organisation_id: None,
        url: None,
    }
}

/// The same event, of a named person.
pub(crate) fn of_person(record: EmailEventRecord, person: &str) -> EmailEventRecord {
    EmailEventRecord {
        person_id: Some(person.into()),
        ..record
    }
}

/// The same event, sent to an address.
pub(crate) fn to_address(record: EmailEventRecord, address: &str) -> EmailEventRecord {
    EmailEventRecord {
        recipient: Some(EmailAddress::parse(address).unwrap()),
        ..record
    }
}

impl Fresh {
    pub(crate) async fn sqlite() -> Self {
        let database = testkit::sqlite::fresh();
        let url = database.url().to_owned();
        let db = Db::connect(&url, &options()).await.unwrap();
        store::migrate(&db).await.unwrap();
        Self::over(db, url, Box::new(database)).await
    }

    #[cfg(feature = "services")]
    pub(crate) async fn postgres() -> Self {
        let database = testkit::postgres::fresh_from_template("store", async |url| {
            let db = Db::connect(&url, &options()).await.unwrap();
            store::migrate(&db).await.unwrap();
            db.close().await;
        })
        .await;
        let url = database.url().to_owned();
        let db = Db::connect(&url, &options()).await.unwrap();
        Self::over(db, url, Box::new(database)).await
    }

    async fn over(db: Db, url: String, database: Box<dyn Send + Sync>) -> Self {
        let keyring_text = Keyring::generate("test");
        let store = Store::new(db, Keyring::parse(&keyring_text).unwrap());
        let tenant = store.create_tenant("Demo", now()).await.unwrap().id;
        let endpoint = store
            .create_endpoint(tenant, "email", "secret".into(), now())
            .await
            .unwrap()
            .id;
        Self {
            store,
            tenant,
            endpoint,
            url,
            keyring_text,
            _database: database,
        }
    }

    /// Records an event at [`now`].
    pub(crate) async fn record(&self, record: &EmailEventRecord) -> Recorded {
        self.store
            .record_email_event(self.tenant, self.endpoint, record, now())
            .await
            .unwrap()
    }

    /// Records an event that must be new.
    pub(crate) async fn apply(&self, record: &EmailEventRecord) -> Applied {
        match self.record(record).await {
            Recorded::Applied(applied) => applied,
            Recorded::Duplicate { .. } => panic!("this event should be new"),
        }
    }

    pub(crate) async fn message(&self, external_id: &str) -> Message {
        self.store
            .message_by_external(self.tenant, "sendgrid", external_id)
            .await
            .unwrap()
            .unwrap()
    }

    /// (person, organisation, score) of every hot lead.
    pub(crate) async fn leads(&self) -> Vec<(Option<String>, Option<String>, i64)> {
        let leads = self.store.leads_hot(self.tenant, 1, 100).await.unwrap();
        leads
            .into_iter()
            .map(|lead| (lead.person_id, lead.organisation_id, lead.score))
            .collect()
    }

    /// An erasure of somebody of whom there is nothing but work, begun and not ended.
    pub(crate) async fn begin_to_erase(&self, tenant: TenantId) {
        let draft = InteractionDraft {
            with: WithWhom::Person("gone".into()),
            title: Some(PersonalText::new("farewell")),
            note: None,
            assignee: None,
            next_action_at: None,
        };
        let created = self
            .store
            .create_interaction(tenant, &draft, &Actor::System, now())
            .await;
        created.unwrap();
        let gone = ContactId::derive(tenant, "person", "gone");
        let begun = self.store.begin_erasure(tenant, gone, now()).await.unwrap();
        assert!(begun.is_some());
    }

    /// Runs a statement, past the store.
    pub(crate) async fn execute(&self, statement: impl Into<String>) -> Result<(), sqlx::Error> {
        let statement = AssertSqlSafe(statement.into());
        match self.store.db() {
            Db::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(|_| ()),
            Db::Sqlite { writer, .. } => sqlx::query(statement).execute(writer).await.map(|_| ()),
        }
    }

    /// What a statement counts, past the store: for what the store does not show.
    pub(crate) async fn count(&self, statement: impl Into<String>) -> i64 {
        let statement = AssertSqlSafe(statement.into());
        match self.store.db() {
            Db::Postgres(pool) => sqlx::query_scalar(statement).fetch_one(pool).await.unwrap(),
            Db::Sqlite { writer, .. } => sqlx::query_scalar(statement).fetch_one(writer).await.unwrap(),
        }
    }
}

/// Runs each test on SQLite and, with the feature `services`, on Postgres.
macro_rules! both {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(crate::fresh::Fresh::sqlite().await).await;
            })+
        }

        #[cfg(feature = "services")]
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(crate::fresh::Fresh::postgres().await).await;
            })+
        }
    };
}
