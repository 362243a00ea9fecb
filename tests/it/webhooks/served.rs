//! Intake within the test, behind a real port, with a clock that the test owns: recorded requests are signed as of a day
//! that is long gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use domain::{EndpointId, TenantId};
use queue::sql::{SqlOptions, SqlQueue};
use queue::{Client, Clock};
use relais::intake::endpoints::Endpoints;
use relais::intake::poster::Poster;
use relais::intake::{self, Intake};
use seal::Keyring;
use secrecy::SecretString;
use store::{ConnectOptions, Db, Store};
use testkit::sqlite::TempSqlite;
use tokio::net::TcpListener;

use super::raw::{Raw, Reply};

/// Intake on SQLite.
pub(super) struct Served {
    address: String,
    now: Arc<AtomicI64>,
    store: Store,
    tenant: TenantId,
    _database: TempSqlite,
}

impl Served {
    /// Reached by its senders at `public_url`, whatever it listens on.
    pub(super) async fn at(public_url: &str) -> Self {
        let database = testkit::sqlite::fresh();
        let keyring = Keyring::parse(&Keyring::generate("k1")).unwrap();
        let db = Db::connect(database.url(), &ConnectOptions::default()).await.unwrap();
        let store = Store::new(db, keyring.clone());
        store::migrate(store.db()).await.unwrap();
        let tenant = store.create_tenant("Acme", Utc::now()).await.unwrap().id;
        let now = Arc::new(AtomicI64::new(Utc::now().timestamp_millis()));
        let backend = SqlQueue::connect(database.url(), &SqlOptions::default()).unwrap();
        let client = Client::new(Arc::new(backend), keyring, Clock::Manual(Arc::clone(&now)));
        let endpoints = Endpoints::new(store.clone(), &public_url.parse().unwrap());
        let app = intake::router(Intake::new(client, Arc::new(endpoints)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            now,
            store,
            tenant,
            _database: database,
        }
    }

    /// It is this time now.
    pub(super) fn set_clock(&self, now: DateTime<Utc>) {
        self.now.store(now.timestamp_millis(), Ordering::SeqCst);
    }

    /// An endpoint with these secrets as they are stored: the present one, and the one before.
    pub(super) async fn endpoint(&self, poster: Poster, secrets: &[SecretString]) -> EndpointId {
        let (present, before) = secrets.split_first().unwrap();
        let oldest = before.last().unwrap_or(present);
        let made = self
            .store
            .create_endpoint(self.tenant, poster.name(), oldest.clone(), Utc::now())
            .await;
        let id = made.unwrap().id;
        if !before.is_empty() {
            let rotated = self.store.rotate_endpoint_secret(self.tenant, id, present).await;
            assert!(rotated.unwrap());
        }
        id
    }

    pub(super) async fn send(&self, request: &Raw) -> Reply {
        request.send(&self.address).await
    }
}
