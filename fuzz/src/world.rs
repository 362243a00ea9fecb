//! A whole installation but its workers, on a database of its own: everything that answers requests.
//!
//! It is made once and asked by every input, so what one input made is there for the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use chrono::Utc;
use domain::{Author, Channel, PersonalText, Role, TenantId};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use providers::{Credentials, Provider};
use queue::sql::{SqlOptions, SqlQueue};
use queue::{Client, Clock};
use relais::intake::endpoints::Endpoints;
use relais::ops::Vitals;
use relais::ops::metrics::Figures;
use relais::problem::Code;
use relais::web;
use seal::Keyring;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use store::{ConnectOptions, Db, NewCredential, Settings, Store, StoreError};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;
use url::Url;

use crate::message::{first_line, head_and_body, headers_in};
use crate::signed::{Signed, by_twilio, endpoint_secret};

/// Where senders reach it.
const PUBLIC_URL: &str = "https://hooks.example.com";
/// The proxies that stand before it.
const PROXY_HOPS: usize = 1;
/// How often it is asked once more that says it is not there: another process may have had the disk for a while.
const ASKED_AGAIN_MAX: usize = 5;
/// What the directories begin with that the databases lie in.
const DIRECTORY: &str = "relais-fuzz-";

/// Accounts that messages go by.
const ACCOUNTS: [(Provider, &str, &[Channel]); 2] = [
    (
        Provider::SendGrid,
        r#"{"api_key":"SG.fixture-0001.fixture"}"#,
        &[Channel::Email],
    ),
    (
        Provider::Twilio,
        r#"{"account_sid":"AC00000000000000000000000000000001","auth_token":"fixture-secret-0001"}"#,
        &[Channel::Sms, Channel::Whatsapp],
    ),
];

/// Who posts to an endpoint here.
pub const POSTERS: [Provider; 6] = [
    Provider::SendGrid,
    Provider::Resend,
    Provider::StandardWebhooks,
    Provider::Twilio,
    Provider::GreenApi,
    Provider::Vapi,
];

/// What there is from the beginning: by which name a path names it, where it is made and of what, and which field of the
/// answer is its id.
const THINGS: [(&str, &str, &str, &str); 10] = [
    (
        "{message}",
        "/v1/messages",
        r#"{"channel":"sms","to":"+33612345678","content":{"text":"Hello"}}"#,
        "id",
    ),
    (
        "{mail}",
        "/v1/messages",
        r#"{"channel":"email","to":"ana@example.com","content":{"subject":"Hello","html":"<p>Hello</p>"},"tags":["a"]}"#,
        "id",
    ),
    (
        "{template}",
        "/v1/templates",
        r#"{"name":"welcome","language":"en","subject":"Hi {{ name }}","text":"Hi {{ name }}","html":"<p>{{ name }}</p>"}"#,
        "name",
    ),
    (
        "{other-template}",
        "/v1/templates",
        r#"{"name":"reminder","language":"fr","text":"Bonjour {{ name }}"}"#,
        "name",
    ),
    (
        "{interaction}",
        "/v1/interactions",
        r#"{"contact":{"email":"ana@example.com"},"title":"Call Ana","next_action_at":"2026-01-31T09:00:00Z"}"#,
        "id",
    ),
    (
        "{contact}",
        "/v1/interactions",
        r#"{"contact":{"person_id":"p-1"},"note":"Write to her"}"#,
        "contact_id",
    ),
    (
        "{member}",
        "/v1/members",
        r#"{"email":"bob@example.com","role":"sales","name":"Bob"}"#,
        "id",
    ),
    (
        "{invitation}",
        "/v1/invitations",
        r#"{"email":"eve@example.com","role":"member"}"#,
        "id",
    ),
    ("{key}", "/v1/keys", r#"{"role":"member","name":"second"}"#, "id"),
    ("{otp}", "/v1/otp", r#"{"to":"+33612345679"}"#, "id"),
];

/// The installation.
pub struct World {
    runtime: Runtime,
    router: Router,
    /// `Bearer rk_…`
    key: HeaderValue,
    /// What stands for what in a path.
    names: Vec<(String, String)>,
}

/// A request.
#[derive(Clone)]
pub struct Asked {
    /// How.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// What it was answered.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl World {
    /// An installation with a tenant, its accounts, endpoints and some things, whose queue goes by this clock.
    ///
    /// # Panics
    /// When it cannot be made, or a second time in the same process: figures are counted in one place.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (router, key, names) = runtime.block_on(begin(clock));
        let mut world = Self {
            runtime,
            router,
            key,
            names,
        };
        for (name, path, body, field) in THINGS {
            let answer = world.ask(&world.authorized(Asked::post(path, body.as_bytes())));
            let made = answer.json();
            let id = made[field].as_str();
            let id = id.unwrap_or_else(|| panic!("{name} was not made: {made}"));
            world.names.push((name.to_owned(), id.to_owned()));
        }
        world
    }

    /// The request that these bytes are: a line `METHOD /path?query`, lines `name: value`, an empty line, and the body.
    #[must_use]
    pub fn read(&self, data: &[u8]) -> Option<Asked> {
        let (line, rest) = first_line(data);
        let (method, target) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        let named = |target: String, (name, id): &(String, String)| target.replace(name, id);
        let uri: Uri = self.names.iter().fold(target.to_owned(), named).parse().ok()?;
        let (lines, body) = head_and_body(rest);
        let asked = Asked {
            method: method.parse().ok()?,
            uri,
            headers: headers_in(lines),
            body: body.to_vec(),
        };
        // `*` and a name with a port are for proxies.
        asked.uri.path().starts_with('/').then_some(asked)
    }

    /// The same request with the tenant's key.
    #[must_use]
    pub fn authorized(&self, mut asked: Asked) -> Asked {
        asked.headers.insert(AUTHORIZATION, self.key.clone());
        asked
    }

    /// A request of a provider to its endpoint, rightly signed.
    ///
    /// # Panics
    /// For a provider that has no endpoint here.
    #[must_use]
    pub fn signed(&self, provider: Provider, body: &[u8]) -> Signed {
        let name = endpoint_name(provider);
        let endpoint = self.names.iter().find(|(known, _)| *known == name);
        let (_, id) = endpoint.expect("every poster has an endpoint");
        let url = format!("{PUBLIC_URL}/webhooks/{}/{id}", provider.as_str());
        match provider {
            Provider::Twilio => by_twilio(&url, body),
            _ => Signed {
                url,
                ..Signed::by(provider, body)
            },
        }
    }

    /// What it answers.
    ///
    /// # Panics
    /// When an answer breaks off.
    #[must_use]
    pub fn ask(&self, asked: &Asked) -> Answer {
        let mut answer = self.ask_once(asked);
        for _ in 0..ASKED_AGAIN_MAX {
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            answer = self.ask_once(asked);
        }
        answer
    }

    fn ask_once(&self, asked: &Asked) -> Answer {
        let mut request = Request::new(Body::from(asked.body.clone()));
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = asked.uri.clone();
        *request.headers_mut() = asked.headers.clone();
        let router = self.router.clone();
        self.runtime.block_on(async move {
            let response = router.oneshot(request).await.expect("every request is answered");
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("an answer has an end");
            Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.to_vec(),
            }
        })
    }
}

impl Asked {
    /// A request that brings something.
    ///
    /// # Panics
    /// When that is no path.
    #[must_use]
    pub fn post(path: &str, body: &[u8]) -> Self {
        Self {
            method: Method::POST,
            uri: path.parse().expect("a path"),
            headers: HeaderMap::new(),
            body: body.to_vec(),
        }
    }

    /// A signed request as it comes in.
    ///
    /// # Panics
    /// When it goes elsewhere.
    #[must_use]
    pub fn signed(signed: &Signed) -> Self {
        let path = signed.url.strip_prefix(PUBLIC_URL).expect("a request to us");
        Self {
            headers: signed.all_headers(),
            ..Self::post(path, &signed.body)
        }
    }
}

impl Answer {
    /// The body as JSON; `null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as a text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What is to hold of every answer: it is no fault of ours, and a refusal is one of the table, in its form. One to a
    /// question for the headers alone has no form.
    pub fn check(&self, asked: &Asked) {
        let (status, text) = (self.status, self.text());
        assert!(!status.is_server_error(), "a fault of ours, {status}: {text}");
        if !status.is_client_error() || asked.method == Method::HEAD {
            return;
        }
        let problem = self.json();
        let row = Code::ALL
            .iter()
            .map(|code| code.row())
            .find(|row| problem["code"] == row.0);
        let Some((_, expected, title)) = row else {
            panic!("refused with {status} and no code of the table: {text}");
        };
        assert_eq!(status, expected, "{text}");
        assert_eq!(problem["title"], title, "{text}");
        assert_eq!(problem["status"], status.as_u16(), "{text}");
        assert!(problem["detail"].is_string(), "{text}");
        let form = self.headers.get("content-type").map(HeaderValue::as_bytes);
        assert_eq!(form, Some(b"application/problem+json".as_slice()), "{text}");
    }
}

/// Everything up to the first request; with the key, and the names of the endpoints.
async fn begin(clock: Clock) -> (Router, HeaderValue, Vec<(String, String)>) {
    let url = format!("sqlite://{}", directory().join("relais.db").display());
    let keyring = Keyring::parse(&Keyring::generate("k1")).expect("a keyring");
    let db = Db::connect(&url, &ConnectOptions::default()).await.expect("a database");
    store::migrate(&db).await.expect("the schema");
    let store = Store::new(db, keyring.clone());
    let backend = SqlQueue::connect(&url, &SqlOptions::default()).expect("a queue");
    let queue = Client::new(Arc::new(backend), keyring, clock);

    let (author, now) = (Author::system(), Utc::now());
    let tenant = store.create_tenant("Acme", now).await.expect("a tenant").id;
    let key = store
        .create_api_key(tenant, Role::Owner, &author, now)
        .await
        .expect("a key");
    let key = format!("Bearer {}", key.clear.expose_secret())
        .parse()
        .expect("a header");
    accounts(&store, tenant, &author).await;
    let mut names = Vec::new();
    for provider in POSTERS {
        let made = store.create_endpoint(tenant, provider.as_str(), endpoint_secret(provider), now);
        let id = made.await.expect("an endpoint").id;
        names.push((endpoint_name(provider), id.to_string()));
    }

    let public_url: Url = PUBLIC_URL.parse().expect("a URL");
    let endpoints = Arc::new(Endpoints::new(store.clone(), &public_url));
    endpoints.preload().await.expect("the endpoints");
    let figures = Figures::install().expect("figures are counted in one place");
    let router = web::router(&store, &queue, endpoints, figures, Vitals::default(), PROXY_HOPS);
    (router, key, names)
}

/// The accounts that messages go by, and whom they come from.
async fn accounts(store: &Store, tenant: TenantId, author: &Author) {
    let now = Utc::now();
    for (provider, json, channels) in ACCOUNTS {
        let preview = Credentials::parse(provider, json.as_bytes())
            .expect("credentials")
            .preview();
        let new = NewCredential {
            provider: provider.as_str(),
            label: provider.as_str(),
            clear: &SecretString::from(json),
            preview: &preview,
        };
        let made = store
            .create_credential(tenant, &new, author, now)
            .await
            .expect("an account");
        for channel in channels {
            store.set_route(tenant, *channel, &[made.id]).await.expect("a route");
        }
    }
    let senders = |mut settings: Settings| -> Result<Settings, StoreError> {
        settings.senders.email = Some(PersonalText::new("Acme <desk@mail.example.com>"));
        settings.senders.sms = Some(PersonalText::new("+15005550006"));
        settings.senders.whatsapp = Some(PersonalText::new("+15005550006"));
        Ok(settings)
    };
    store
        .change_settings(tenant, senders, author, now)
        .await
        .expect("settings");
}

/// By which name a path names the endpoint of a provider: `{twilio}`.
fn endpoint_name(provider: Provider) -> String {
    format!("{{{}}}", provider.as_str())
}

/// A directory of this process alone: in memory where there is such a place and `TMPDIR` names no other, because nothing
/// in it need outlive the run, and a disk would be waited for.
fn directory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = match std::env::var_os("TMPDIR") {
        None if memory.is_dir() => memory.to_owned(),
        _ => std::env::temp_dir(),
    };
    forget_ended(&parent);
    let own = parent.join(format!("{DIRECTORY}{}", std::process::id()));
    // An earlier process may have had the same number.
    drop(fs::remove_dir_all(&own));
    fs::create_dir_all(&own).expect("a directory");
    own
}

/// Removes what processes left behind that are gone: a run ends without a word.
fn forget_ended(parent: &Path) {
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(DIRECTORY));
        if process.is_some_and(|process| !processes.join(process).exists()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}
