//! Every recorded request is taken or refused over HTTP as the manifest says.
//!
//! What a provider signs with the address is signed anew, because the address of an endpoint is its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use providers::twilio;
use providers::vapi::HmacPlan;
use relais::intake::poster::Poster;
use relais::intake::proof::{Proof, Terms, VapiWay};
use secrecy::SecretString;
use serde::Deserialize;
use sha2::Sha256;

use super::raw::{Raw, Reply};
use super::served::Served;
use super::sign::twilio_signature;

const PUBLIC_URL: &str = "https://hooks.example.com";
/// Headers that vouch for nothing.
const BESIDES: [&str; 2] = ["Content-Type", "I-Twilio-Idempotency-Token"];
/// No secret was ever stored like this.
const UNUSABLE: &str = "{";

/// A request as it was recorded, and what becomes of it.
#[derive(Clone, Deserialize)]
pub(super) struct Recorded {
    name: String,
    provider: String,
    about: String,
    expect: Expect,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    file: Option<String>,
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

#[derive(Clone, Deserialize)]
struct Settings {
    secrets: Vec<String>,
    instance: Option<u64>,
    way: Option<String>,
    header: Option<String>,
    plan: Option<HmacPlan>,
}

/// All of them.
pub(super) fn all() -> Vec<Recorded> {
    #[derive(Deserialize)]
    struct Manifest {
        requests: Vec<Recorded>,
    }
    let text = std::fs::read(folder().join("manifest.json")).unwrap();
    serde_json::from_slice::<Manifest>(&text).unwrap().requests
}

/// The one of this name.
pub(super) fn recorded(provider: &str, name: &str) -> Recorded {
    let mut all = all().into_iter();
    let found = all.find(|request| request.provider == provider && request.name == name);
    found.unwrap_or_else(|| panic!("{provider} {name} is not in the manifest"))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/webhooks")
}

impl Recorded {
    fn poster(&self) -> Poster {
        Poster::named(&self.provider).unwrap()
    }

    fn stored(&self) -> Vec<SecretString> {
        let settings = &self.verifier;
        let way = match (&settings.plan, settings.way.as_deref()) {
            (Some(plan), _) => Some(VapiWay::Hmac(Box::new(plan.clone()))),
            (None, Some("bearer")) => Some(VapiWay::Bearer {
                header: settings.header.clone(),
            }),
            (None, _) => (self.poster() == Poster::Vapi).then_some(VapiWay::Secret),
        };
        let terms = Terms {
            account: settings.instance.map(|id| id.to_string()),
            way,
            ..Terms::default()
        };
        let stored = |secret: &String| {
            let terms = terms.clone();
            let proof = Proof {
                terms,
                ..Proof::plain(secret.as_str())
            };
            proof.stored(self.poster())
        };
        let stored: Vec<_> = settings.secrets.iter().map(stored).collect();
        if stored.is_empty() {
            vec![UNUSABLE.into()]
        } else {
            stored
        }
    }

    /// The request as it reaches a new endpoint that is set up as the manifest says.
    pub(super) async fn to(&self, served: &Served) -> Raw {
        served.set_clock(self.received_at);
        let id = served.endpoint(self.poster(), &self.stored()).await;
        let query = self.url.split('#').next().unwrap().split_once('?');
        let query = query.map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let target = format!("/webhooks/{}/{id}{query}", self.provider);
        let body = match &self.file {
            Some(file) => std::fs::read(folder().join(file)).unwrap(),
            None => self.body.clone().into_bytes(),
        };
        let mut request = Raw::post(target, body);
        request.method.clone_from(&self.method);
        request.headers.extend(self.headers.clone());
        self.sign_address(&mut request);
        request
    }

    /// Signs the address anew where it was rightly signed.
    fn sign_address(&self, request: &mut Raw) {
        if self.expect == Expect::Unproven {
            return;
        }
        let url = format!("{PUBLIC_URL}{}", request.target);
        let secret = self.verifier.secrets.last().unwrap();
        let signs_url = |plan: &HmacPlan| {
            plan.payload_format
                .as_deref()
                .is_some_and(|format| format.contains("{url}"))
        };
        let (name, signature) = match self.poster() {
            Poster::Twilio => {
                let is_form = self
                    .headers
                    .iter()
                    .any(|(_, value)| value.to_lowercase().contains("form-urlencoded"));
                let form = String::from_utf8(if is_form { request.body.clone() } else { Vec::new() }).unwrap();
                (twilio::SIGNATURE_HEADER, twilio_signature(&url, secret, &form))
            }
            Poster::Vapi if self.verifier.plan.as_ref().is_some_and(signs_url) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
                mac.update(format!("POST\n{url}\n").as_bytes());
                mac.update(&request.body);
                ("x-signature", hex::encode(mac.finalize().into_bytes()))
            }
            _ => return,
        };
        let mut headers = request.headers.iter_mut();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).unwrap().1 = signature;
    }

    /// Whether the proof covers the body.
    fn signs_body(&self) -> bool {
        match self.poster() {
            Poster::GreenApi => false,
            Poster::Vapi => self.verifier.plan.is_some(),
            _ => true,
        }
    }
}

impl Expect {
    const fn status(self) -> Option<StatusCode> {
        match self {
            Self::Accepted => None,
            Self::Unproven => Some(StatusCode::FORBIDDEN),
            Self::Stale => Some(StatusCode::BAD_REQUEST),
            Self::Unreadable => Some(StatusCode::UNPROCESSABLE_ENTITY),
        }
    }

    fn is_met_by(self, reply: &Reply) -> bool {
        match self.status() {
            None => reply.status.is_success(),
            Some(status) => reply.status == status && reply.header("content-type") == Some("application/problem+json"),
        }
    }
}

#[tokio::test]
async fn every_recorded_request_is_taken_or_refused_as_the_manifest_says() {
    let served = Served::at(PUBLIC_URL).await;
    let mut faults = Vec::new();
    for request in all() {
        let reply = served.send(&request.to(&served).await).await;
        if !request.expect.is_met_by(&reply) {
            let (provider, name, about) = (&request.provider, &request.name, &request.about);
            faults.push(format!("{provider} {name}: {about} {reply:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn a_request_that_comes_again_is_known_by_its_job() {
    let served = Served::at(PUBLIC_URL).await;
    for request in all().iter().filter(|request| request.expect == Expect::Accepted) {
        let sent = request.to(&served).await;
        let (first, second) = (served.send(&sent).await, served.send(&sent).await);
        let (job, duplicate) = first.job();
        let what = format!("{} {}: {first:?}", request.provider, request.name);
        assert!(!duplicate, "{what}");
        assert_eq!(second.status, first.status, "{what}");
        assert_eq!(second.job(), (job.clone(), job.is_some()), "{what}");
        // Only a list without an event leaves nothing to keep.
        assert_eq!(job.is_none(), request.name == "empty_list", "{what}");
    }
}

#[tokio::test]
async fn a_request_with_one_byte_changed_is_refused() {
    let served = Served::at(PUBLIC_URL).await;
    for request in all().iter().filter(|request| request.expect == Expect::Accepted) {
        let sent = request.to(&served).await;
        for changed in changed(request, &sent) {
            let reply = served.send(&changed).await;
            assert!(
                matches!(reply.status, StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST),
                "{} {}: {changed:?} {reply:?}",
                request.provider,
                request.name
            );
        }
        // It was not for another reason.
        assert!(
            served.send(&sent).await.status.is_success(),
            "{} {}",
            request.provider,
            request.name
        );
    }
}

/// The request with one byte of everything that vouches, or is vouched for, changed: each in turn.
fn changed(request: &Recorded, sent: &Raw) -> Vec<Raw> {
    let mut all = Vec::new();
    if request.signs_body() && !sent.body.is_empty() {
        let mut changed = sent.clone();
        let middle = changed.body.len() / 2;
        changed.body[middle] ^= 1;
        all.push(changed);
    }
    for (place, (name, value)) in sent.headers.iter().enumerate() {
        // Of several signatures, any may be the one that counts.
        if BESIDES.iter().any(|besides| name.eq_ignore_ascii_case(besides)) || value.contains(" v1") {
            continue;
        }
        let mut bytes = value.clone().into_bytes();
        // Neither the scheme in front nor the padding at the end.
        let late = bytes.len() * 2 / 3;
        bytes[late] = if bytes[late] == b'7' { b'8' } else { b'7' };
        let mut changed = sent.clone();
        changed.headers[place].1 = String::from_utf8(bytes).unwrap();
        all.push(changed);
    }
    if request.poster() == Poster::Twilio {
        let mut changed = sent.clone();
        changed
            .target
            .push(if changed.target.contains('?') { '&' } else { '?' });
        changed.target.push('a');
        all.push(changed);
    }
    all
}
