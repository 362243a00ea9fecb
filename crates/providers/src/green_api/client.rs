//! Sends WhatsApp messages by Green-API, and asks what became of them.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use domain::E164;
use http::StatusCode;
use reqwest::RequestBuilder;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;

use super::{GreenApiCredentials, error, journal};
use crate::Verified;
use crate::base_url::BaseUrl;
use crate::event::{DeliveryStatus, Event};
use crate::http_client::{self, Answer, HttpClient};
use crate::json::{self as read_json, Fields as _, Object};
use crate::outgoing::{OutgoingWhatsapp, WhatsappContent};
use crate::send_error::{Class, SendError};
use crate::sender::Sent;

/// How long after an unclear send it is to be found. A message leaves the queue for a journal that takes up to two minutes
/// to show it (documentation, "LastOutgoingMessages"). One that waited longer than the rest of this time in the queue may
/// still be on that way, and in neither.
pub const LOOK_UP_AFTER: TimeDelta = TimeDelta::minutes(5);

/// How far Green-API's clock and ours may lie apart.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(60);

/// Sends for one instance, and so from one number.
#[derive(Clone)]
pub struct GreenApiClient {
    http: HttpClient,
    base: BaseUrl,
    credentials: GreenApiCredentials,
}

impl GreenApiClient {
    /// `base` stands in for Green-API's own.
    #[must_use]
    pub fn new(credentials: &GreenApiCredentials, http: &HttpClient, base: Option<&BaseUrl>) -> Self {
        Self {
            http: http.clone(),
            base: base.unwrap_or(&credentials.api).clone(),
            credentials: credentials.clone(),
        }
    }

    /// Puts a message into the instance's queue, where it stays up to 24 hours when the telephone is not there. Templates
    /// are not for this way of WhatsApp.
    ///
    /// # Errors
    /// [`SendError`] says whether it surely was not sent.
    pub async fn send(&self, message: &OutgoingWhatsapp, now: DateTime<Utc>) -> Result<Sent, SendError> {
        // No preview of links: Green-API would follow them, which counts as a click.
        let body = json!({ "chatId": chat(&message.to), "message": text(message)?, "linkPreview": false });
        let answer = self
            .call(self.http.post(self.url("sendMessage")).json(&body), "sendMessage")
            .await?;
        if !answer.status.is_success() {
            return Err(answer.blamed(error::meaning(&answer, now)));
        }
        let fields = read_json::object(&answer.body).unwrap_or_default();
        Ok(Sent {
            external_id: fields
                .id("idMessage")
                .ok_or_else(|| answer.blamed(SendError::unreadable_answer()))?,
            status: DeliveryStatus::Queued,
        })
    }

    /// How far a message to `to` came, as the event that a status notification would have told. `None` if Green-API does
    /// not know the message, or nothing of it yet.
    ///
    /// # Errors
    /// [`SendError`], in which [`Failure::Unreachable`](crate::Failure::Unreachable) stands for no answer.
    pub async fn fetch(
        &self,
        external_id: &str,
        to: &E164,
        now: DateTime<Utc>,
    ) -> Result<Option<Verified<Event>>, SendError> {
        let body = json!({ "chatId": chat(to), "idMessage": external_id });
        let request = self.http.post(self.url("getMessage")).json(&body);
        let answer = self.call(request, "getMessage").await.map_err(SendError::of_reading)?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        check(&answer, now)?;
        let fields = read_json::object(&answer.body).map_err(|_| answer.blamed(unreadable()))?;
        let event = journal::event(&fields, &answer.body, self.credentials.instance, now);
        Ok(event.map(Verified::vouch))
    }

    /// Looks for a message of which it is unclear whether it was sent. See [`Sender::look_up`](crate::Sender::look_up).
    ///
    /// # Errors
    /// [`SendError`], in which [`Failure::Unreachable`](crate::Failure::Unreachable) stands for no answer.
    pub async fn look_up(
        &self,
        message: &OutgoingWhatsapp,
        sent_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Sent>, SendError> {
        let (chat, text) = (chat(&message.to), text(message)?);
        let since = sent_at - CLOCKS_APART;
        // The queue first: what leaves it in between is then in the journal, or on its way there.
        let queue = self
            .list("showMessagesQueue", self.url("showMessagesQueue"), now)
            .await?;
        let mut url = self.url("lastOutgoingMessages");
        let minutes = (now - since).num_minutes().max(0) + 1;
        url.query_pairs_mut().append_pair("minutes", &minutes.to_string());
        let journal = self.list("lastOutgoingMessages", url, now).await?;

        let mut found: Vec<Sent> = Vec::new();
        let journaled = objects(&journal).filter_map(|fields| journal::journaled(fields, &chat, text, since));
        let queued = objects(&queue).filter_map(|fields| journal::queued(fields, &chat, text));
        for sent in journaled.chain(queued) {
            if found.iter().all(|known| known.external_id != sent.external_id) {
                found.push(sent);
            }
        }
        Ok(found)
    }

    async fn list(&self, method: &str, url: Url, now: DateTime<Utc>) -> Result<Vec<Value>, SendError> {
        let call = self.call(self.http.get(url), method);
        let answer = call.await.map_err(SendError::of_reading)?;
        check(&answer, now)?;
        serde_json::from_slice(&answer.body).map_err(|_| answer.blamed(unreadable()))
    }

    async fn call(&self, request: RequestBuilder, method: &str) -> Result<Answer, SendError> {
        http_client::call(request, &format!("/waInstance{{instance}}/{method}/{{token}}")).await
    }

    /// It holds the token, so it must not be shown.
    fn url(&self, method: &str) -> Url {
        let instance = format!("waInstance{}", self.credentials.instance);
        self.base
            .join([&*instance, method, self.credentials.token.expose_secret()])
    }
}

/// A person's chat is called by the digits of their number.
fn chat(number: &E164) -> String {
    format!("{}@c.us", number.expose().trim_start_matches('+'))
}

fn text(message: &OutgoingWhatsapp) -> Result<&str, SendError> {
    match &message.content {
        WhatsappContent::Text(text) => Ok(text.expose()),
        WhatsappContent::Template { .. } => {
            let detail = "Green-API has no templates";
            Err(SendError::rejected(Class::Content, "template", detail))
        }
    }
}

fn check(answer: &Answer, now: DateTime<Utc>) -> Result<(), SendError> {
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(answer.blamed(error::meaning(answer, now).of_reading()))
    }
}

fn objects(list: &[Value]) -> impl Iterator<Item = &Object> {
    list.iter().filter_map(Value::as_object)
}

fn unreadable() -> SendError {
    SendError::unreadable_answer().of_reading()
}

/// Shows where it sends and for which instance.
impl fmt::Debug for GreenApiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GreenApiClient({:?}, {})", self.base, self.credentials.preview())
    }
}
