//! Our side, played: somebody who listens, and somebody who sends.

use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri};
use bytes::Bytes;
use chrono::Utc;
use providers::event::{DeliveryReport, Event};
use providers::{News, Verifier};
use reqwest::RequestBuilder;
use serde_json::Value;
use simulator::{Account, Script, Settings, Simulator, Telling, TwilioAccount};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Longer than anything here takes, on the slowest machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const SID: &str = "AC6ae32eaeb19b4d6974b27e9e2e7fc789";
pub(crate) const AUTH_TOKEN: &str = "fixture-auth-token-0001";
pub(crate) const OURS: &str = "+15005550006";
pub(crate) const ANA: &str = "+12025550143";

/// Settings that lose no time.
pub(crate) fn settings(accounts: Vec<Account>) -> Settings {
    Settings {
        accounts,
        script: Script::delivered(),
        telling: Telling {
            pace: 0.0,
            ..Telling::default()
        },
        ..Settings::default()
    }
}

pub(crate) async fn start(accounts: Vec<Account>) -> Simulator {
    Simulator::start(settings(accounts)).await.unwrap()
}

pub(crate) fn twilio_account() -> TwilioAccount {
    TwilioAccount::new(SID, AUTH_TOKEN)
}

/// A simulator with one account at Twilio.
pub(crate) async fn twilio() -> Simulator {
    start(vec![Account::Twilio(twilio_account())]).await
}

/// A request to Twilio below its account.
pub(crate) fn twilio_request(simulator: &Simulator, method: &str, path: &str) -> RequestBuilder {
    let url = format!("{}/twilio/2010-04-01/Accounts/{SID}/{path}", simulator.url());
    let request = client().request(method.parse().unwrap(), url);
    request.basic_auth(SID, Some(AUTH_TOKEN))
}

/// A text message that waits to be sent.
pub(crate) fn sms(simulator: &Simulator, pairs: &[(&str, &str)]) -> RequestBuilder {
    form(twilio_request(simulator, "POST", "Messages.json"), pairs)
}

/// The same text to Ana, whose status is told to `url`.
pub(crate) fn sms_to_ana(simulator: &Simulator, url: &str) -> RequestBuilder {
    sms(
        simulator,
        &[("To", ANA), ("From", OURS), ("Body", "Hello"), ("StatusCallback", url)],
    )
}

pub(crate) fn form(request: RequestBuilder, pairs: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

/// Every request on a connection of its own, so that a cut one disturbs no other.
pub(crate) fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        builder.timeout(LIMIT).build().unwrap()
    });
    CLIENT.clone()
}

/// The status and the JSON of an answer.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Our side: takes every request, answers as it is told to, and hands over what it got.
pub(crate) struct Ear {
    pub(crate) url: String,
    heard: mpsc::UnboundedReceiver<Heard>,
}

/// One request to our side.
#[derive(Clone)]
pub(crate) struct Heard {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// As the sender knows it.
    pub(crate) url: String,
}

/// Status, content type and body of the answer to the n-th request, counted from 0.
type Reaction = (u16, &'static str, String);

impl Ear {
    /// Answers 204 to everything.
    pub(crate) async fn start() -> Self {
        Self::answering(|_| (204, "", String::new())).await
    }

    pub(crate) async fn answering(react: impl Fn(usize) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let url = format!("{base}/our");
        let (send, heard) = mpsc::unbounded_channel();
        let shared = Arc::new((base, send, Mutex::new(0), react));
        let router = Router::new().fallback(move |request: Request| {
            let shared = Arc::clone(&shared);
            async move {
                let (base, send, count, react) = &*shared;
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let url = format!("{base}{}", parts.uri);
                let (uri, headers) = (parts.uri, parts.headers);
                let (status, content_type, answer) = {
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    react(*count - 1)
                };
                // A test that has heard enough may be over.
                let _ = send.send(Heard {
                    uri,
                    headers,
                    body,
                    url,
                });
                let mut headers = HeaderMap::new();
                if !content_type.is_empty() {
                    headers.insert("content-type", content_type.parse().unwrap());
                }
                (
                    StatusCode::from_u16(status).unwrap(),
                    headers,
                    axum::body::Body::from(answer),
                )
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, heard }
    }

    pub(crate) async fn next(&mut self) -> Heard {
        let next = tokio::time::timeout(LIMIT, self.heard.recv()).await;
        next.expect("something is heard").unwrap()
    }

    /// All that was heard until now.
    pub(crate) fn rest(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

impl Heard {
    /// What our side would make of it. Panics if it is not genuine.
    pub(crate) fn events(&self, verifier: &Verifier) -> Vec<Event> {
        let verified = verifier.verify(&self.request());
        verified.expect("it is genuine").into_inner()
    }

    pub(crate) fn request(&self) -> providers::Request<'_> {
        providers::Request {
            method: "POST",
            url: &self.url,
            headers: &self.headers,
            body: &self.body,
            received_at: Utc::now(),
        }
    }

    /// The only event, if it reports about a message of ours.
    pub(crate) fn report(&self, verifier: &Verifier) -> DeliveryReport {
        match self.events(verifier).remove(0).news {
            News::Report(report) => report,
            other => panic!("no report but {other:?}"),
        }
    }

    pub(crate) fn pair(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(&self.body);
        pairs
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.into_owned())
    }
}
