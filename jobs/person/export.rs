//! All that a tenant has of one person, as one JSON document.
//!
//! It may be long, so it is written while it is read, page by page: whoever takes it, takes it in pieces. One that was cut
//! short, because the database went away, is no JSON: it has no end.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use domain::{Channel, ContactId, MessageId, PersonalText, Recipient, TenantId, Traces};
use queue::Backend;
use seal::Keyring;
use serde_json::{Value, json};
use store::{Message, MessageFilter, Store};
use tokio::sync::mpsc::Sender;

use super::mentions::read;
use super::queued::{Among, Mention, Search};

/// Rows that are read at once.
const ROWS_AT_ONCE: u32 = 100;

/// Reads pages until the last, and does something with every row.
macro_rules! on_every {
    ($after:ident => $page:expr, $row:ident => $each:block) => {{
        let mut $after = None;
        loop {
            let page = $page;
            for $row in page.items $each
            $after = page.next;
            if $after.is_none() {
                break;
            }
        }
    }};
}

/// Whose, and where it is read.
pub struct Export<'a> {
    /// Everything that is remembered.
    pub store: &'a Store,
    /// Everything that is to be done, or could not be.
    pub backend: &'a dyn Backend,
    /// What payloads are sealed under.
    pub keyring: &'a Keyring,
    /// Of which tenant.
    pub tenant: TenantId,
    /// By what they are found.
    pub traces: &'a Traces,
}

/// Where a document goes, and how far it came.
struct Document<'a> {
    to: &'a Sender<String>,
    is_empty: bool,
}

impl Document<'_> {
    /// Sends a piece on. Nobody takes it any more: the rest is not read.
    async fn send(&self, piece: String) -> anyhow::Result<()> {
        self.to
            .send(piece)
            .await
            .map_err(|_| anyhow::anyhow!("nobody takes the document any more"))
    }

    async fn begin(&mut self, section: &str) -> anyhow::Result<()> {
        self.is_empty = true;
        self.send(format!(",\n\"{section}\":[")).await
    }

    async fn item(&mut self, item: &Value) -> anyhow::Result<()> {
        let between = if self.is_empty { "\n" } else { ",\n" };
        self.is_empty = false;
        self.send(format!("{between}{item}")).await
    }

    async fn end(&self) -> anyhow::Result<()> {
        self.send("]".to_owned()).await
    }
}

impl Export<'_> {
    /// Writes all of it. The first piece is sent when something was read: until then it may still be refused.
    ///
    /// # Errors
    /// Those of the store and of the queue, and when nobody takes it any more. The document then has no end.
    pub async fn write(&self, to: &Sender<String>) -> anyhow::Result<()> {
        let mut document = Document { to, is_empty: true };
        let who = json!({
            "person_id": self.traces.person_id, "organisation_id": self.traces.organisation_id,
            "addresses": self.traces.addresses, "contact_ids": self.traces.contacts,
        });
        document.send(format!("{{\"person\":{who}")).await?;
        self.messages(&mut document).await?;
        self.events(&mut document).await?;
        self.inbound(&mut document).await?;
        self.interactions(&mut document).await?;
        self.scores(&mut document).await?;
        self.suppressions(&mut document).await?;
        self.challenges(&mut document).await?;
        self.kept_events(&mut document).await?;
        self.queued(&mut document, "jobs", Among::Live).await?;
        self.queued(&mut document, "dead_letters", Among::Dead).await?;
        document.send("}\n".to_owned()).await
    }

    /// Every message to them, with what it said and every attempt to send it.
    async fn messages(&self, document: &mut Document<'_>) -> anyhow::Result<()> {
        document.begin("messages").await?;
        for filter in self.filters() {
            on_every!(after => self.store.messages(self.tenant, &filter, after, ROWS_AT_ONCE).await?, message => {
                let mut item = of_message(&message);
                item["content"] = json!(self.store.message_content(self.tenant, message.id).await?);
                let attempts = self.store.attempts(self.tenant, message.id).await?;
                item["attempts"] = attempts.iter().map(of_attempt).collect();
                document.item(&item).await?;
            });
        }
        document.end().await
    }

    /// Everything that happened to those messages.
    async fn events(&self, document: &mut Document<'_>) -> anyhow::Result<()> {
        document.begin("events").await?;
        for filter in self.filters() {
            on_every!(after => self.store.messages(self.tenant, &filter, after, ROWS_AT_ONCE).await?, message => {
                self.events_of(message.id, document).await?;
            });
        }
        document.end().await
    }

    async fn events_of(&self, message: MessageId, document: &mut Document<'_>) -> anyhow::Result<()> {
        on_every!(after => self.store.message_events(self.tenant, message, after, ROWS_AT_ONCE).await?, event => {
            let raw = self.store.message_event_raw(self.tenant, event.id).await?;
            let item = json!({
                "id": event.id, "message_id": message, "kind": event.kind.as_str(), "provider": event.provider,
                "word": event.word, "occurred_at": at(event.occurred_at), "recorded_at": at(event.recorded_at),
                "error_code": event.error_code, "by_machine": event.by_machine, "url": event.url, "raw": raw,
            });
            document.item(&item).await?;
        });
        Ok(())
    }

    /// The messages of each of their contacts.
    fn filters(&self) -> impl Iterator<Item = MessageFilter> {
        self.traces.contacts.iter().map(|contact| MessageFilter {
            contact: Some(*contact),
            ..MessageFilter::default()
        })
    }

    async fn inbound(&self, document: &mut Document<'_>) -> anyhow::Result<()> {
        document.begin("inbound_messages").await?;
        for &contact in &self.traces.contacts {
            let contact = Some(contact);
            on_every!(after => self.store.inbound_messages(self.tenant, contact, after, ROWS_AT_ONCE).await?, inbound => {
                let raw = self.store.inbound_raw(self.tenant, inbound.id).await?;
                let item = json!({
                    "id": inbound.id, "channel": inbound.channel.as_str(), "provider": inbound.provider,
                    "external_id": inbound.external_id, "contact_id": inbound.contact_id, "from": inbound.from,
                    "to": inbound.to, "text": inbound.text, "intent": inbound.intent.as_str(), "answers": inbound.answers,
                    "interaction_id": inbound.interaction_id, "occurred_at": at(inbound.occurred_at),
                    "created_at": at(inbound.created_at), "raw": raw,
                });
                document.item(&item).await?;
            });
        }
        document.end().await
    }

    async fn interactions(&self, document: &mut Document<'_>) -> anyhow::Result<()> {
        document.begin("interactions").await?;
        for &contact in &self.traces.contacts {
            on_every!(after => self.store.interactions_of(self.tenant, contact, after, ROWS_AT_ONCE).await?, interaction => {
                let item = self.interaction(interaction).await?;
                document.item(&item).await?;
            });
        }
        document.end().await
    }

    /// An interaction with all that people changed of it.
    async fn interaction(&self, interaction: store::Interaction) -> anyhow::Result<Value> {
        let (mut changes, mut below) = (Vec::new(), None);
        while let Some((page, next)) = self
            .store
            .interaction_changes(self.tenant, interaction.id, below, ROWS_AT_ONCE)
            .await?
        {
            changes.extend(page.into_iter().map(|change| {
                json!({
                    "version": change.version, "at": at(change.at), "actor": change.actor, "field": change.field.as_str(),
                    "before": change.before, "after": change.after,
                })
            }));
            below = next;
            if below.is_none() {
                break;
            }
        }
        Ok(json!({
            "id": interaction.id, "contact_id": interaction.contact_id, "status": interaction.status.as_str(),
            "reason": interaction.reason.as_str(), "intent": interaction.intent.map(domain::Intent::as_str),
            "title": interaction.title, "note": interaction.note, "assignee": interaction.assignee,
            "next_action_at": interaction.next_action_at.map(at), "creator": interaction.creator,
            "created_at": at(interaction.created_at), "updated_at": at(interaction.updated_at), "changes": changes,
        }))
    }

    /// Scores with what is left of earlier ones, and the ledger that says why.
    async fn scores(&self, document: &mut Document<'_>) -> anyhow::Result<()> {
        document.begin("scores").await?;
        for &contact in &self.traces.contacts {
            for score in self.store.scores_of(self.tenant, contact).await? {
                let item = json!({
                    "contact_id": contact, "score": score.score, "last_event_at": at(score.last_event_at),
                    "archived_at": score.archived_at.map(at), "reasons": score.reasons,
                });
                document.item(&item).await?;
            }
        }
        document.end().await?;
        document.begin("ledger").await?;
        for &contact in &self.traces.contacts {
            let mut after = None;
            loop {
                let lines = self
                    .store
                    .lead_ledger(self.tenant, contact, after, ROWS_AT_ONCE)
                    .await?;
                after = lines.last().map(|line| line.entry);
                for line in lines {
                    let item = json!({
                        "contact_id": contact, "reason": line.reason, "points": line.points, "moved": line.moved,
                        "score_after": line.score_after, "message_id": line.message_id, "recorded_at": at(line.recorded_at),
                    });
                    document.item(&item).await?;
                }
                if after.is_none() {
                    break;
                }
            }
        }
        document.end().await
    }

    /// Why nothing goes to their addresses.
    async fn suppressions(&self, document: &mut Document<'_>) -> anyhow::Result<()> {
        document.begin("suppressions").await?;
        for recipient in self.recipients() {
            for &channel in Channel::ALL.iter().filter(|channel| recipient.is_reached_by(**channel)) {
                for suppressed in self.store.suppressions_of(self.tenant, channel, &recipient).await? {
                    let item = json!({
                        "channel": channel.as_str(), "to": recipient.expose(), "reason": suppressed.reason.as_str(),
                        "since": at(suppressed.since), "source": suppressed.source,
                    });
                    document.item(&item).await?;
                }
            }
        }
        document.end().await
    }

    /// One-time codes that were asked for; the codes are nowhere.
    async fn challenges(&self, document: &mut Document<'_>) -> anyhow::Result<()> {
        document.begin("challenges").await?;
        for recipient in self.recipients() {
            for challenge in self.store.challenges_for(self.tenant, &recipient).await? {
                let item = json!({
                    "id": challenge.id, "channel": challenge.channel.as_str(), "to": recipient.expose(),
                    "created_at": at(challenge.created_at), "expires_at": at(challenge.expires_at),
                    "used_at": challenge.used_at.map(at),
                });
                document.item(&item).await?;
            }
        }
        document.end().await
    }

    /// What providers told that nothing is made of yet, and mentions them.
    async fn kept_events(&self, document: &mut Document<'_>) -> anyhow::Result<()> {
        document.begin("kept_events").await?;
        let contacts: Vec<_> = self.traces.contacts.iter().copied().collect();
        let search = self.search(&contacts);
        on_every!(after => self.store.kept_events(self.tenant, after, ROWS_AT_ONCE).await?, kept => {
            let (id, event) = kept;
            let content = read(event.content.expose().as_bytes());
            if search.wanted(std::iter::once(&content)).await?.are_in(&content) {
                let item = json!({
                    "id": id, "provider": event.provider, "word": event.word, "occurred_at": at(event.occurred_at),
                    "content": content,
                });
                document.item(&item).await?;
            }
        });
        document.end().await
    }

    /// What is to be done for them, or could not be. Of what is about others, too, only what is about them.
    async fn queued(&self, document: &mut Document<'_>, section: &str, among: Among) -> anyhow::Result<()> {
        document.begin(section).await?;
        let contacts: Vec<_> = self.traces.contacts.iter().copied().collect();
        let search = self.search(&contacts);
        let mut cursor = None;
        loop {
            let (mentions, next) = search.page(among, cursor.as_deref()).await?;
            for mention in mentions {
                document.item(&of_job(mention)).await?;
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        document.end().await
    }

    fn search<'s>(&'s self, contacts: &'s [ContactId]) -> Search<'s> {
        Search {
            store: self.store,
            backend: self.backend,
            keyring: self.keyring,
            tenant: self.tenant,
            traces: self.traces,
            contacts,
        }
    }

    fn recipients(&self) -> Vec<Recipient> {
        let read = |text: &PersonalText| Recipient::try_from(text.expose().to_owned()).ok();
        self.traces.addresses.iter().filter_map(read).collect()
    }
}

fn of_attempt(attempt: &store::Attempt) -> Value {
    json!({
        "number": attempt.number, "provider": attempt.provider, "state": attempt.state.as_str(),
        "external_id": attempt.external_id, "code": attempt.code, "started_at": at(attempt.started_at),
        "ended_at": attempt.ended_at.map(at),
    })
}

fn of_message(message: &Message) -> Value {
    let template = message.template.as_ref();
    json!({
        "id": message.id, "contact_id": message.contact_id, "channel": message.channel.as_str(), "provider": message.provider,
        "external_id": message.external_id, "class": message.class.map(domain::MessageClass::as_str),
        "language": message.language.map(domain::Language::as_str),
        "template": template.map(|template| json!({ "name": template.name, "version": template.version })),
        "tags": message.tags, "status": message.progress.status.as_str(),
        "open_count": message.progress.counters.opened, "click_count": message.progress.counters.clicked,
        "to": message.recipient.as_ref().map(Recipient::expose), "subject": message.subject,
        "error_code": message.error_code, "scheduled_at": message.scheduled_at.map(at), "created_at": at(message.created_at),
        "interaction_id": message.interaction_id,
    })
}

/// A job, without what in it is about others.
fn of_job(mention: Mention) -> Value {
    let Mention { kept, payload, without } = mention;
    let about_them = match (
        payload["events"].as_array(),
        without.as_ref().and_then(|left| left["events"].as_array()),
    ) {
        (Some(all), Some(others)) => {
            let theirs: Vec<_> = all.iter().filter(|event| !others.contains(event)).collect();
            json!({ "endpoint": payload["endpoint"], "events": theirs })
        }
        _ => payload,
    };
    let errors = kept
        .errors
        .iter()
        .map(|failure| json!({ "attempt": failure.attempt, "error": failure.error }));
    let errors: Vec<_> = errors.collect();
    json!({
        "id": kept.id.0, "kind": queue::envelope::kind_of(&kept.body), "state": kept.state.name(), "payload": about_them,
        "errors": errors,
    })
}

fn at(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Says nothing of whom.
impl fmt::Debug for Export<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
