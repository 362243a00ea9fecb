//! What jobs reach the world with: one HTTP client, the accounts that were opened lately, and where we are reached.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::Utc;
use domain::{CredentialId, EndpointId, TenantId};
use providers::{BaseUrl, Credentials, HttpClient, Provider, Sender, StandIns};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use store::{Endpoint, OpenCredential, Store};
use url::{Host, Url};

use crate::hooks::Hooks;
use crate::sending::Files;

/// For how long an account is used without a look at whether its credentials, or the address of its reports, changed.
const BELIEVED_FOR: Duration = Duration::from_secs(10);

/// What jobs reach the world with. A clone is the same.
#[derive(Clone)]
pub struct Outside {
    http: HttpClient,
    stand_ins: StandIns,
    public_url: Url,
    files: Files,
    hooks: Hooks,
    accounts: Arc<Mutex<HashMap<(TenantId, CredentialId), Known>>>,
}

/// One account at a provider, ready to send.
#[derive(Debug)]
pub struct Account {
    /// Which.
    pub id: CredentialId,
    /// Sends for it.
    pub sender: Sender,
    /// Where the tenant takes what this account's provider reports.
    pub endpoint: Option<EndpointId>,
    /// Where the provider is to report what becomes of a message, if it is told so with each message.
    pub report_to: Option<Url>,
}

struct Known {
    account: Arc<Account>,
    clear: SecretString,
    since: Instant,
}

/// Where providers are, when not where they are usually: `{"twilio":"http://127.0.0.1:4000/twilio"}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    sendgrid: Option<String>,
    resend: Option<String>,
    twilio: Option<String>,
    green_api: Option<String>,
    files: Option<String>,
    hooks: Option<String>,
}

/// Reads where stand-ins for providers are, from a JSON object of base URLs by provider.
///
/// # Errors
/// When it is none, or one of them is not https and not on this machine.
pub fn stand_ins(json: &str) -> anyhow::Result<StandIns> {
    let written: Written = serde_json::from_str(json).context("not an object of base URLs by provider")?;
    let read = |text: Option<String>| text.map(|text| BaseUrl::parse(&text)).transpose();
    Ok(StandIns {
        sendgrid: read(written.sendgrid)?,
        resend: read(written.resend)?,
        twilio: read(written.twilio)?,
        green_api: read(written.green_api)?,
        files: read(written.files)?,
        hooks: read(written.hooks)?,
    })
}

impl Outside {
    /// `public_url` is what providers reach this installation as.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(public_url: Url, stand_ins: StandIns) -> anyhow::Result<Self> {
        Ok(Self {
            http: HttpClient::new()?,
            public_url,
            files: Files::new(stand_ins.files.clone())?,
            hooks: Hooks::new(stand_ins.hooks.clone())?,
            stand_ins,
            accounts: Arc::default(),
        })
    }

    /// What fetches the files of mails.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// What posts webhooks to tenants.
    #[must_use]
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// What providers and people reach this installation as.
    #[must_use]
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// The account that a credential is for; `None` if the credential is gone.
    ///
    /// # Errors
    /// Those of the store; or what is stored cannot be used.
    pub async fn account(
        &self,
        store: &Store,
        tenant: TenantId,
        id: CredentialId,
    ) -> anyhow::Result<Option<Arc<Account>>> {
        if let Some(account) = self.believed((tenant, id)) {
            return Ok(Some(account));
        }
        let Some(open) = store.open_credential(tenant, id, Utc::now()).await? else {
            return Ok(None);
        };
        let endpoint = endpoint(store, tenant, &open).await?;
        self.keep(tenant, id, open, endpoint).map(Some)
    }

    /// The account must be looked at anew before it is used again.
    pub fn forget(&self, tenant: TenantId, id: CredentialId) {
        if let Some(known) = self.lock().get_mut(&(tenant, id)) {
            known.since = known.since.checked_sub(BELIEVED_FOR).unwrap_or(known.since);
        }
    }

    fn believed(&self, key: (TenantId, CredentialId)) -> Option<Arc<Account>> {
        let accounts = self.lock();
        let known = accounts.get(&key)?;
        (known.since.elapsed() < BELIEVED_FOR).then(|| Arc::clone(&known.account))
    }

    /// Keeps the connections of an account whose credentials are still the same.
    fn keep(
        &self,
        tenant: TenantId,
        id: CredentialId,
        open: OpenCredential,
        endpoint: Option<EndpointId>,
    ) -> anyhow::Result<Arc<Account>> {
        let provider = Provider::sending(&open.credential.provider).context("stored credentials of no provider")?;
        let before = self.lock().get(&(tenant, id)).and_then(|known| {
            let is_same = known.clear.expose_secret() == open.clear.expose_secret();
            is_same.then(|| known.account.sender.clone())
        });
        let sender = match before {
            Some(sender) => sender,
            None => {
                let credentials = Credentials::parse(provider, open.clear.expose_secret().as_bytes())?;
                Sender::new(&credentials, &self.http, &self.stand_ins)?
            }
        };
        let account = Arc::new(Account {
            id,
            sender,
            endpoint,
            report_to: endpoint.and_then(|endpoint| self.report_to(provider, endpoint)),
        });
        let known = Known {
            account: Arc::clone(&account),
            clear: open.clear,
            since: Instant::now(),
        };
        self.lock().insert((tenant, id), known);
        Ok(account)
    }

    /// What the provider is told with each message. A provider elsewhere cannot reach this machine by a loopback address,
    /// and Twilio refuses messages that name one.
    fn report_to(&self, provider: Provider, endpoint: EndpointId) -> Option<Url> {
        let is_reached = self.stand_ins.twilio.is_some() || !is_loopback(&self.public_url);
        if !provider.is_told_where_to_report() || !is_reached {
            return None;
        }
        let (base, name) = (self.public_url.as_str().trim_end_matches('/'), provider.as_str());
        Url::parse(&format!("{base}/webhooks/{name}/{endpoint}")).ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(TenantId, CredentialId), Known>> {
        // Nothing that is done under the lock leaves it half done.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tenant's endpoint for what an account's provider reports: one that checks with the account's own token, which is
/// what Twilio signs with; else the oldest.
async fn endpoint(store: &Store, tenant: TenantId, open: &OpenCredential) -> anyhow::Result<Option<EndpointId>> {
    #[derive(Deserialize)]
    struct Signing {
        auth_token: Option<SecretString>,
    }
    let signing: Option<Signing> = serde_json::from_str(open.clear.expose_secret()).ok();
    let token = signing.and_then(|signing| signing.auth_token);
    let is_signed = |endpoint: &Endpoint| {
        let holds = |secret: &SecretString| {
            let token = token.as_ref().map(|token| token.expose_secret());
            // By itself, or within an object with what else is checked.
            token.is_some_and(|token| secret.expose_secret().contains(token))
        };
        endpoint.secrets.iter().any(holds)
    };
    let endpoints = store.endpoints_of(tenant).await?;
    let endpoint = endpoints
        .iter()
        .filter(|endpoint| endpoint.provider == open.credential.provider)
        .min_by_key(|endpoint| (!is_signed(endpoint), endpoint.created_at, endpoint.id));
    Ok(endpoint.map(|endpoint| endpoint.id))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    }
}
