//! Requests as providers send them: taken or refused as `tests/webhooks/manifest.json` of the workspace says.
//!
//! Their signatures were made by other means than this crate, so that a mistake in our own signing cannot hide one in our
//! checking.

#![allow(clippy::unwrap_used)]

mod changed;
mod events;
mod recorded;
mod signed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use providers::green_api::GreenApiVerifier;
use providers::resend::ResendVerifier;
use providers::sendgrid::SendGridVerifier;
use providers::standard_webhooks::StandardVerifier;
use providers::twilio::TwilioVerifier;
use providers::vapi::{HmacPlan, VapiVerifier};
use providers::{Event, Provider, Refusal, Request, Verifier, WebhookError};
use secrecy::SecretString;
use serde::Deserialize;

/// One request of the manifest.
#[derive(Clone, Deserialize)]
struct Recorded {
    name: String,
    provider: Provider,
    about: String,
    expect: Expect,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    file: Option<PathBuf>,
    #[serde(default)]
    body: String,
    received_at: DateTime<Utc>,
    verifier: Settings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Accepted,
    Unproven,
    Stale,
    Unreadable,
}

/// What the endpoint was set up with.
#[derive(Clone, Deserialize)]
struct Settings {
    secrets: Vec<String>,
    instance: Option<u64>,
    way: Option<String>,
    header: Option<String>,
    plan: Option<HmacPlan>,
}

impl Settings {
    fn verifier(&self, provider: Provider) -> Verifier {
        let secrets: Vec<SecretString> = self.secrets.iter().map(|text| text.as_str().into()).collect();
        match provider {
            Provider::SendGrid => Verifier::SendGrid(SendGridVerifier::new(&secrets).unwrap()),
            Provider::Resend => Verifier::Resend(ResendVerifier::new(&secrets).unwrap()),
            Provider::Smtp => panic!("no mail server posts webhooks"),
            Provider::StandardWebhooks => Verifier::StandardWebhooks(StandardVerifier::new(&secrets).unwrap()),
            Provider::Twilio => Verifier::Twilio(TwilioVerifier::new(&secrets).unwrap()),
            Provider::GreenApi => {
                let verifier = GreenApiVerifier::new(&secrets).unwrap();
                Verifier::GreenApi(match self.instance {
                    Some(id) => verifier.for_instance(id),
                    None => verifier,
                })
            }
            Provider::Vapi => Verifier::Vapi(match (&self.plan, self.way.as_deref()) {
                (Some(plan), _) => VapiVerifier::hmac(&secrets, plan.clone()).unwrap(),
                (None, Some("bearer")) => VapiVerifier::bearer(&secrets, self.header.as_deref()).unwrap(),
                (None, _) => VapiVerifier::secret(&secrets).unwrap(),
            }),
        }
    }
}

/// A request with its parts ready to be changed.
#[derive(Clone)]
struct Posted {
    method: String,
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
    received_at: DateTime<Utc>,
}

impl Posted {
    fn verify(&self, verifier: &Verifier) -> Result<Vec<Event>, WebhookError> {
        let request = Request {
            method: &self.method,
            url: &self.url,
            headers: &self.headers,
            body: &self.body,
            received_at: self.received_at,
        };
        verifier.verify(&request).map(|events| events.into_inner())
    }
}

impl Recorded {
    fn verifier(&self) -> Verifier {
        self.verifier.verifier(self.provider)
    }

    fn posted(&self) -> Posted {
        let header = |(name, value): (&String, &String)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        let body = match &self.file {
            Some(file) => std::fs::read(folder().join(file)).unwrap(),
            None => self.body.clone().into_bytes(),
        };
        Posted {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.iter().map(header).collect(),
            body,
            received_at: self.received_at,
        }
    }

    fn outcome(&self) -> Result<Vec<Event>, WebhookError> {
        self.posted().verify(&self.verifier())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/webhooks")
}

/// Every request of the manifest.
static RECORDED: LazyLock<Vec<Recorded>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Manifest {
        requests: Vec<Recorded>,
    }
    let text = std::fs::read(folder().join("manifest.json")).unwrap();
    serde_json::from_slice::<Manifest>(&text).unwrap().requests
});

fn recorded(provider: Provider, name: &str) -> &'static Recorded {
    let mut all = RECORDED.iter();
    all.find(|request| request.provider == provider && request.name == name)
        .unwrap_or_else(|| panic!("{provider:?} {name} is not in the manifest"))
}

/// The events of a request that is accepted.
fn events(provider: Provider, name: &str) -> Vec<Event> {
    recorded(provider, name).outcome().unwrap()
}

impl Expect {
    fn of(outcome: &Result<Vec<Event>, WebhookError>) -> Self {
        match outcome.as_ref().map_err(WebhookError::refusal) {
            Ok(_) => Self::Accepted,
            Err(Refusal::Unproven) => Self::Unproven,
            Err(Refusal::Stale) => Self::Stale,
            Err(Refusal::Unreadable) => Self::Unreadable,
        }
    }
}
