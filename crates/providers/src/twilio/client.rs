//! Sends messages by Twilio's API, and asks what became of them.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use reqwest::RequestBuilder;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::Url;

use super::message::Message;
use super::{TwilioCredentials, error, resource};
use crate::Verified;
use crate::base_url::BaseUrl;
use crate::event::Event;
use crate::http_client::{self, Answer, HttpClient};
use crate::json::{self, Fields as _, Object};
use crate::outgoing::{OutgoingText, OutgoingWhatsapp, TextFrom};
use crate::send_error::{Failure, SendError};
use crate::sender::Sent;

/// How long after an unclear send the list of messages surely has it, if Twilio took it.
pub const LOOK_UP_AFTER: TimeDelta = TimeDelta::seconds(60);

/// How far Twilio's clock and ours may lie apart.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(60);
/// How many messages are asked for at once, and how often.
const PAGE_SIZE: &str = "100";
const PAGES_MAX: usize = 5;
/// The paths of all messages, and of one.
const MESSAGES: &str = "/2010-04-01/Accounts/{account}/Messages.json";
const MESSAGE: &str = "/2010-04-01/Accounts/{account}/Messages/{message}.json";

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends text messages and WhatsApp for one account.
#[derive(Clone)]
pub struct TwilioClient {
    http: HttpClient,
    base: BaseUrl,
    credentials: TwilioCredentials,
}

impl TwilioClient {
    /// `base` stands in for Twilio's own API.
    #[must_use]
    pub fn new(credentials: &TwilioCredentials, http: &HttpClient, base: Option<&BaseUrl>) -> Self {
        Self {
            http: http.clone(),
            base: base
                .cloned()
                .unwrap_or_else(|| BaseUrl::known("https://api.twilio.com")),
            credentials: credentials.clone(),
        }
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// [`SendError`] says whether it surely was not sent.
    pub async fn send_text(&self, text: &OutgoingText, now: DateTime<Utc>) -> Result<Sent, SendError> {
        self.send(&Message::of_text(text), now).await
    }

    /// Sends a message by WhatsApp. That a text of our own came too late after the person wrote last is not told now, but
    /// reported later, as code 63016.
    ///
    /// # Errors
    /// [`SendError`] says whether it surely was not sent.
    pub async fn send_whatsapp(&self, message: &OutgoingWhatsapp, now: DateTime<Utc>) -> Result<Sent, SendError> {
        self.send(&Message::of_whatsapp(message)?, now).await
    }

    async fn send(&self, message: &Message<'_>, now: DateTime<Utc>) -> Result<Sent, SendError> {
        let request = self.http.post(self.url(["Messages.json"]));
        let request = request.header(http::header::CONTENT_TYPE, FORM).body(message.form());
        let answer = self.call(request, MESSAGES).await?;
        if !answer.status.is_success() {
            return Err(answer.blamed(error::meaning(&answer, now)));
        }
        let fields = json::object(&answer.body).unwrap_or_default();
        resource::sent(&fields).ok_or_else(|| answer.blamed(SendError::unreadable_answer()))
    }

    /// How far a message came, as the event that a status callback would have told. `None` if Twilio does not know it.
    ///
    /// # Errors
    /// [`SendError`], in which [`Failure::Unreachable`] stands for no answer.
    pub async fn fetch(&self, external_id: &str, now: DateTime<Utc>) -> Result<Option<Verified<Event>>, SendError> {
        let url = self.url(["Messages", &format!("{external_id}.json")]);
        let answer = self.read(url, MESSAGE).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let fields = object(&answer, now)?;
        let raw = String::from_utf8_lossy(&answer.body).into_owned();
        let event = resource::event(&fields, raw, now).ok_or_else(|| answer.blamed(unreadable()))?;
        Ok(Some(Verified::vouch(event)))
    }

    /// Looks for a text message of which it is unclear whether it was sent. See [`Sender::look_up`](crate::Sender::look_up).
    ///
    /// # Errors
    /// [`SendError`], in which [`Failure::Unreachable`] stands for no answer.
    pub async fn look_up_text(
        &self,
        text: &OutgoingText,
        sent_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Sent>, SendError> {
        self.look_up(&Message::of_text(text), sent_at, now).await
    }

    /// Looks for a message by WhatsApp of which it is unclear whether it was sent. See
    /// [`Sender::look_up`](crate::Sender::look_up).
    ///
    /// # Errors
    /// [`SendError`], in which [`Failure::Unreachable`] stands for no answer.
    pub async fn look_up_whatsapp(
        &self,
        message: &OutgoingWhatsapp,
        sent_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Sent>, SendError> {
        self.look_up(&Message::of_whatsapp(message)?, sent_at, now).await
    }

    /// The filter by date is not used: it is by the day on which a message left, and one that waits has none.
    async fn look_up(
        &self,
        message: &Message<'_>,
        sent_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Sent>, SendError> {
        let mut url = self.url(["Messages.json"]);
        url.query_pairs_mut()
            .append_pair("To", &message.address(message.to))
            .append_pair("PageSize", PAGE_SIZE);
        let from = match message.from {
            TextFrom::Number(number) => Some(message.address(number)),
            TextFrom::Name(name) => Some(name.as_str().to_owned()),
            TextFrom::Service(_) => None,
        };
        if let Some(from) = from {
            url.query_pairs_mut().append_pair("From", &from);
        }
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.read(url, MESSAGES).await?;
            let page = object(&answer, now)?;
            let messages: Vec<&Object> = page.list("messages").iter().filter_map(Value::as_object).collect();
            let is_recent = |fields: &&&Object| {
                resource::created_at(fields).is_none_or(|created_at| created_at >= sent_at - CLOCKS_APART)
            };
            let recent = messages.iter().filter(is_recent);
            let matching = recent.clone().filter(|fields| resource::may_be(fields, message));
            found.extend(matching.filter_map(|fields| resource::sent(fields)));
            // The newest come first; what follows a page of older ones is older still.
            let next = page.text("next_page_uri").filter(|_| recent.count() > 0);
            match next.map(|link| self.base.follow(link)) {
                None => return Ok(found),
                Some(next) => url = next.ok_or_else(unreadable)?,
            }
        }
        let detail = "the list of messages to this number is too long to tell";
        Err(SendError::new(Failure::Unreachable, "pages", detail))
    }

    async fn read(&self, url: Url, route: &str) -> Result<Answer, SendError> {
        self.call(self.http.get(url), route)
            .await
            .map_err(SendError::of_reading)
    }

    async fn call(&self, request: RequestBuilder, route: &str) -> Result<Answer, SendError> {
        let TwilioCredentials { user, password, .. } = &self.credentials;
        http_client::call(request.basic_auth(user, Some(password.expose_secret())), route).await
    }

    fn url<'a>(&'a self, path: impl IntoIterator<Item = &'a str>) -> Url {
        let account = ["2010-04-01", "Accounts", &self.credentials.account];
        self.base.join(account.into_iter().chain(path))
    }
}

/// What a request that only reads was answered.
fn object(answer: &Answer, now: DateTime<Utc>) -> Result<Object, SendError> {
    if answer.status.is_success() {
        json::object(&answer.body).map_err(|_| answer.blamed(unreadable()))
    } else {
        Err(answer.blamed(error::meaning(answer, now).of_reading()))
    }
}

fn unreadable() -> SendError {
    SendError::unreadable_answer().of_reading()
}

/// Shows where it sends and a preview of the account.
impl fmt::Debug for TwilioClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TwilioClient({:?}, {})", self.base, self.credentials.preview())
    }
}
