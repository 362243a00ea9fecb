//! The endpoints that webhooks may be posted to, kept in memory: intake does not ask the database for every request.
//!
//! An endpoint that was known stays known while the database is away. A change reaches every process within
//! [`FRESH_FOR`]; an address that was not found is asked for again after [`UNKNOWN_FOR`].

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::{EndpointId, TenantId};
use jobs::House;
use store::{Store, StoreError};
use tokio::sync::Mutex;
use url::Url;

use super::check::Check;
use super::failures::Failures;
use super::poster::Poster;

/// How long an endpoint is used without asking again.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// How long an unknown address stays unknown without asking again.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
/// How many addresses are remembered as unknown; more are asked for one by one.
const UNKNOWN_MAX: usize = 10_000;
/// How long a request waits for the database to say whether an endpoint exists.
const LOOK_UP_WITHIN: Duration = Duration::from_millis(1500);
/// How long it waits to hear whether a known endpoint has changed. Short: the queue, which may hang in the same database,
/// needs the rest of the time in which a sender is answered.
const LOOK_AGAIN_WITHIN: Duration = Duration::from_millis(250);

/// What intake knows of one endpoint.
#[derive(Debug)]
pub struct Known {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who posts there.
    pub poster: Poster,
    /// Checks what is posted.
    pub check: Check,
    /// In whose name who writes there is answered, if they can be at once.
    pub house: Option<House>,
}

#[derive(Clone)]
struct Entry {
    /// `None` = the database said that there is none.
    known: Option<Arc<Known>>,
    since: Instant,
}

impl Entry {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < if self.known.is_some() { FRESH_FOR } else { UNKNOWN_FOR }
    }
}

/// The endpoints this process has met.
#[derive(Debug)]
pub struct Endpoints {
    store: Store,
    /// Where senders reach this installation, without the slash at its end.
    base: String,
    entries: RwLock<HashMap<EndpointId, Entry>>,
    /// One question at a time about addresses that are not known here, so that a burst of made-up ones does not become a
    /// burst at the database …
    asking: Mutex<()>,
    /// … and one about those that are: made-up addresses must not keep a changed secret from being seen.
    refreshing: Mutex<()>,
    failures: Failures,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.known.fmt(f)
    }
}

impl Endpoints {
    /// Knows nothing yet. `public_url` is where senders reach this installation: they sign it.
    #[must_use]
    pub fn new(store: Store, public_url: &Url) -> Self {
        Self {
            store,
            base: base(public_url).to_owned(),
            entries: RwLock::default(),
            asking: Mutex::default(),
            refreshing: Mutex::default(),
            failures: Failures::default(),
        }
    }

    /// Reads all endpoints, so that the first webhook after a start does not depend on the database.
    ///
    /// # Errors
    /// When the database does not answer; endpoints are then looked up one by one.
    pub async fn preload(&self) -> Result<usize, StoreError> {
        let endpoints = self.store.endpoints().await?;
        let count = endpoints.len();
        for endpoint in endpoints {
            self.remember(endpoint.id, self.known(endpoint).await?);
        }
        Ok(count)
    }

    /// Where senders reach this installation, without the slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Notes that a request to an endpoint had no good signature.
    pub(super) fn note_failure(&self, id: EndpointId) {
        self.failures.note(id);
    }

    /// Writes down how many requests had no good signature since it was done last. What cannot be written is lost.
    pub async fn hand_over_failures(&self) {
        self.failures.hand_over(&self.store).await;
    }

    /// The endpoint with this id; `None` = there is none.
    ///
    /// # Errors
    /// When it is not known here and the database does not answer.
    pub async fn find(&self, id: EndpointId) -> Result<Option<Arc<Known>>, StoreError> {
        match self.entry(id) {
            Some(entry) if entry.is_fresh() => Ok(entry.known),
            stale => self.ask(id, stale).await,
        }
    }

    async fn ask(&self, id: EndpointId, stale: Option<Entry>) -> Result<Option<Arc<Known>>, StoreError> {
        match stale.and_then(|entry| entry.known) {
            Some(known) => Ok(self.ask_again(id, known).await),
            None => {
                let answer = tokio::time::timeout(LOOK_UP_WITHIN, self.ask_first(id)).await;
                answer.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())))
            }
        }
    }

    /// Looks whether a known endpoint has changed. While one request does so, the others go on with what was known.
    async fn ask_again(&self, id: EndpointId, stale: Arc<Known>) -> Option<Arc<Known>> {
        let Ok(_refreshing) = self.refreshing.try_lock() else {
            return Some(stale);
        };
        let found = match tokio::time::timeout(LOOK_AGAIN_WITHIN, self.read(id)).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(endpoint = %id, "The database is away; going on with the endpoint as it was known.");
                Some(stale)
            }
        };
        self.remember(id, found.clone());
        found
    }

    /// Asks for an endpoint that is not known here. Whoever waits for its turn may find that it has been answered.
    async fn ask_first(&self, id: EndpointId) -> Result<Option<Arc<Known>>, StoreError> {
        let _asking = self.asking.lock().await;
        if let Some(entry) = self.entry(id).filter(Entry::is_fresh) {
            return Ok(entry.known);
        }
        let found = self.read(id).await?;
        self.remember(id, found.clone());
        Ok(found)
    }

    async fn read(&self, id: EndpointId) -> Result<Option<Arc<Known>>, StoreError> {
        match self.store.endpoint(id).await? {
            Some(endpoint) => self.known(endpoint).await,
            None => Ok(None),
        }
    }

    /// `None` for a poster of a later version: nothing here could check what it posts.
    async fn known(&self, endpoint: store::Endpoint) -> Result<Option<Arc<Known>>, StoreError> {
        let Some(poster) = Poster::named(&endpoint.provider) else {
            tracing::warn!(endpoint = %endpoint.id, "An endpoint is of a provider that this version does not know.");
            return Ok(None);
        };
        let house = match poster {
            Poster::Twilio => match self.house(endpoint.tenant).await {
                Ok(house) => house,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(endpoint = %endpoint.id, %error, "Nobody can be answered in the tenant's name.");
                    None
                }
            },
            _ => None,
        };
        Ok(Some(Arc::new(Known {
            id: endpoint.id,
            tenant: endpoint.tenant,
            poster,
            check: Check::new(endpoint.id, poster, &endpoint.secrets),
            house,
        })))
    }

    async fn house(&self, tenant: TenantId) -> Result<Option<House>, StoreError> {
        let Some(found) = self.store.tenant(tenant).await? else {
            return Ok(None);
        };
        let settings = self.store.settings(tenant).await?;
        Ok(Some(House::new(&found, &settings)))
    }

    fn entry(&self, id: EndpointId) -> Option<Entry> {
        self.entries
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    fn remember(&self, id: EndpointId, known: Option<Arc<Known>>) {
        if known.is_some() {
            Failures::begin(id);
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() && entries.len() >= UNKNOWN_MAX {
            entries.retain(|_, entry| entry.known.is_some());
        }
        entries.insert(
            id,
            Entry {
                known,
                since: Instant::now(),
            },
        );
    }
}

/// `public_url` without the slash at its end, ready for a path.
pub(crate) fn base(public_url: &Url) -> &str {
    public_url.as_str().trim_end_matches('/')
}

/// Where a sender posts to: what is printed when an endpoint is made, and what Twilio signs.
#[must_use]
pub fn address(public_url: &Url, poster: Poster, id: EndpointId) -> String {
    format!("{}/webhooks/{}/{id}", base(public_url), poster.name())
}
