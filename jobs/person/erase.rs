//! Erasing a person, a bounded step after the other, until a whole round meets nothing any more.
//!
//! A round goes through the queue, what is kept aside, and the rows that are nobody's now. What waits to be done for them is
//! taken out of the queue; dead letters are deleted, and those that tell of others, too, lose what tells of them. Jobs
//! that record what happened are left to run: what they write is nobody's, and a STOP among it is heard. What runs is told to
//! stop, and met again by the next round, as whatever it wrote meanwhile. How far a round came is kept, so that it may be longer than
//! a run, and a run may end anywhere.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::{ContactId, MessageEnd, MessageId, TenantId};
use queue::Job as _;
use queue::envelope::kind_of;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Cursor, Erasure};
use uuid::Uuid;

use super::mentions::read;
use super::queued::{Among, Mention, Search};
use crate::pace::Pace;
use crate::{Ctx, EraseContact, RecordEmailEvent, RecordProviderEvents, RecordTracking};

/// Rows that are read or written in one step.
const ROWS_AT_ONCE: u32 = 50;
/// After each step it rests so many times as long: the rest is others'.
const REST: u32 = 3;
/// A round that met something is followed by another after so many seconds for each round so far …
const WAIT_SECONDS: u64 = 1;
/// … but not after more.
const WAIT_SECONDS_MAX: u64 = 60;

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is left, or there was nobody.
    Done,
    /// There is more to do, after this.
    GoesOn(Duration),
}

/// How far a round came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    stage: Stage,
    cursor: Option<String>,
    /// How often something was met in this round that may leave something behind.
    met: u64,
    /// How many rounds there were before.
    round: u64,
}

/// What a round goes through, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    #[default]
    Live,
    Dead,
    KeptEvents,
    Edits,
    Messages,
    Rest,
    End,
}

impl Stage {
    const fn next(self) -> Self {
        match self {
            Self::Live => Self::Dead,
            Self::Dead => Self::KeptEvents,
            Self::KeptEvents => Self::Edits,
            Self::Edits => Self::Messages,
            Self::Messages => Self::Rest,
            Self::Rest | Self::End => Self::End,
        }
    }
}

impl Place {
    /// Where it goes on after a step that met so much and ended there; `None`: the stage is through.
    fn after(self, met: usize, cursor: Option<String>) -> Self {
        Self {
            stage: if cursor.is_some() {
                self.stage
            } else {
                self.stage.next()
            },
            cursor,
            met: self.met + met as u64,
            ..self
        }
    }

    /// The beginning of the next round.
    fn next_round(&self) -> Self {
        Self {
            round: self.round + 1,
            ..Self::default()
        }
    }

    fn wait(&self) -> Duration {
        Duration::from_secs((self.round * WAIT_SECONDS).clamp(WAIT_SECONDS, WAIT_SECONDS_MAX))
    }
}

/// Goes on with the erasure of whoever has this contact, for the time that one run may take.
pub(crate) async fn erase(ctx: &Ctx, tenant: TenantId, contact: ContactId) -> anyhow::Result<Outcome> {
    let now = DateTime::from_timestamp_millis(ctx.queue.clock().now()).unwrap_or_default();
    let Some(erasure) = ctx.store.begin_erasure(tenant, contact, now).await? else {
        return Ok(Outcome::Done);
    };
    // What another version wrote is as good as nothing: the round begins anew.
    let kept = erasure
        .place
        .as_deref()
        .and_then(|place| serde_json::from_str(place).ok());
    let mut place: Place = kept.unwrap_or_default();
    let eraser = Eraser {
        ctx,
        tenant,
        erasure: &erasure,
        now,
    };
    let pace = Pace::resting(REST);
    while !pace.is_over() {
        if place.stage == Stage::End {
            if place.met == 0 && ctx.store.end_erasure(tenant, &erasure).await? {
                return Ok(Outcome::Done);
            }
            place = place.next_round();
            eraser.keep(&place).await?;
            return Ok(Outcome::GoesOn(place.wait()));
        }
        let began = Instant::now();
        place = eraser.step(place).await?;
        pace.rest_after(began).await;
    }
    eraser.keep(&place).await?;
    Ok(Outcome::GoesOn(crate::pace::BETWEEN_RUNS))
}

struct Eraser<'a> {
    ctx: &'a Ctx,
    tenant: TenantId,
    erasure: &'a Erasure,
    now: DateTime<Utc>,
}

impl Eraser<'_> {
    async fn keep(&self, place: &Place) -> anyhow::Result<()> {
        let text = serde_json::to_string(place)?;
        self.ctx
            .store
            .keep_erasure_place(self.tenant, self.erasure.contact, &text)
            .await?;
        Ok(())
    }

    async fn step(&self, place: Place) -> anyhow::Result<Place> {
        let contacts = [self.erasure.remains];
        let search = Search {
            store: &self.ctx.store,
            backend: &**self.ctx.queue.backend(),
            keyring: self.ctx.queue.keyring(),
            tenant: self.tenant,
            traces: &self.erasure.traces,
            contacts: &contacts,
        };
        let cursor = place.cursor.clone();
        let (met, next) = match place.stage {
            Stage::Live => {
                let (mentions, next) = search.page(Among::Live, cursor.as_deref()).await?;
                let mut met = 0;
                for mention in mentions.iter().filter(|mention| kind(mention) != EraseContact::KIND) {
                    met += 1;
                    self.take_out(mention).await?;
                }
                (met, next)
            }
            Stage::Dead => {
                let (mentions, next) = search.page(Among::Dead, cursor.as_deref()).await?;
                for mention in &mentions {
                    self.delete(&search, mention).await?;
                }
                (mentions.len(), next)
            }
            Stage::KeptEvents => self.kept_events(&search, cursor.as_deref()).await?,
            Stage::Edits => self.edits(&search, cursor.as_deref()).await?,
            Stage::Messages => (0, self.messages(cursor.as_deref()).await?),
            Stage::Rest => {
                let blanked = self
                    .ctx
                    .store
                    .blank_rest(self.tenant, self.erasure, ROWS_AT_ONCE)
                    .await?;
                (0, (blanked > 0).then(String::new))
            }
            Stage::End => (0, None),
        };
        Ok(place.after(met, next))
    }

    /// Takes a job out of the queue, or tells it to stop, unless it records what happened or finds out what came of a send.
    async fn take_out(&self, mention: &Mention) -> anyhow::Result<()> {
        if records(kind(mention)) {
            return Ok(());
        }
        let (id, store) = (mention.kept.id, &self.ctx.store);
        // First what only the job leads to. A message that has ended is not sent by a job that begins meanwhile.
        store.forget_edits_of(id.0).await?;
        if let Some(message) = sent_by(&mention.payload) {
            store.forget_requests_of(self.tenant, &[message.0]).await?;
            let ended = store
                .end_message(self.tenant, message, &MessageEnd::Canceled, self.now)
                .await?;
            if ended.is_some_and(domain::Status::is_open) {
                // It may have gone: its job writes down what came of that, and begins nothing else.
                return Ok(());
            }
        }
        let backend = self.ctx.queue.backend();
        backend.cancel(id, self.ctx.queue.clock().now()).await?;
        Ok(())
    }

    /// Deletes a dead letter, or what in it mentions them.
    async fn delete(&self, search: &Search<'_>, mention: &Mention) -> anyhow::Result<()> {
        // First what only the letter leads to.
        self.ctx.store.forget_edits_of(mention.kept.id.0).await?;
        if let Some(message) = sent_by(&mention.payload) {
            self.ctx.store.forget_requests_of(self.tenant, &[message.0]).await?;
        }
        match &mention.without {
            // That it changed in the same moment, the next round sees.
            Some(others) => search.rewrite(&mention.kept, others).await.map(|_| ()),
            None => Ok(self
                .ctx
                .queue
                .backend()
                .delete_dead(mention.kept.id)
                .await
                .map(|_| ())?),
        }
    }

    async fn kept_events(&self, search: &Search<'_>, cursor: Option<&str>) -> anyhow::Result<(usize, Option<String>)> {
        let after = cursor.map(str::parse::<Cursor>).transpose()?;
        let page = self.ctx.store.kept_events(self.tenant, after, ROWS_AT_ONCE).await?;
        let texts: Vec<_> = page
            .items
            .iter()
            .map(|(_, event)| read(event.content.expose().as_bytes()))
            .collect();
        let wanted = search.wanted(texts.iter()).await?;
        let mut met = 0;
        for ((id, _), _) in page.items.iter().zip(&texts).filter(|(_, text)| wanted.are_in(text)) {
            self.ctx.store.forget_kept_event(self.tenant, *id).await?;
            met += 1;
        }
        Ok((met, page.next.map(|next| next.to_string())))
    }

    async fn edits(&self, search: &Search<'_>, cursor: Option<&str>) -> anyhow::Result<(usize, Option<String>)> {
        let after = cursor.map(Uuid::parse_str).transpose()?;
        let edits = self.ctx.store.edits_of_tenant(self.tenant, after, ROWS_AT_ONCE).await?;
        let next = edits.last().map(|(id, _)| id.to_string());
        let texts: Vec<_> = edits
            .iter()
            .map(|(_, changes)| read(changes.expose().as_bytes()))
            .collect();
        let wanted = search.wanted(texts.iter()).await?;
        let mut met = 0;
        for ((id, _), _) in edits.iter().zip(&texts).filter(|(_, text)| wanted.are_in(text)) {
            self.ctx.store.forget_edit(*id).await?;
            met += 1;
        }
        Ok((met, next))
    }

    async fn messages(&self, cursor: Option<&str>) -> anyhow::Result<Option<String>> {
        let after = cursor.map(str::parse::<Cursor>).transpose()?;
        let next = self
            .ctx
            .store
            .blank_messages(self.tenant, self.erasure, after, ROWS_AT_ONCE)
            .await?;
        Ok(next.map(|next| next.to_string()))
    }
}

fn kind(mention: &Mention) -> &str {
    kind_of(&mention.kept.body)
}

/// Whether jobs of this kind write down what happened, and do nothing else.
fn records(kind: &str) -> bool {
    [RecordEmailEvent::KIND, RecordProviderEvents::KIND, RecordTracking::KIND].contains(&kind)
}

/// The message that a job sends, if it sends one.
fn sent_by(payload: &Value) -> Option<MessageId> {
    payload.pointer("/message/id")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_round_goes_through_everything_and_remembers_what_it_met() {
        let mut place = Place::default();
        let mut stages = Vec::new();
        while place.stage != Stage::End {
            stages.push(place.stage);
            place = place.after(1, None);
        }
        assert_eq!((stages.len(), place.met), (6, 6));
        let next = place.next_round();
        assert_eq!((next.stage, next.met, next.round), (Stage::Live, 0, 1));
    }

    #[test]
    fn a_page_that_is_not_the_last_keeps_its_stage() {
        let place = Place::default().after(0, Some("7".into()));
        assert_eq!((place.stage, place.cursor.as_deref()), (Stage::Live, Some("7")));
        let kept: Place = serde_json::from_str(&serde_json::to_string(&place).unwrap()).unwrap();
        assert_eq!((kept.stage, kept.cursor), (place.stage, place.cursor));
    }

    #[test]
    fn rounds_come_less_often_the_longer_it_lasts() {
        let wait = |round| {
            Place {
                round,
                ..Place::default()
            }
            .wait()
            .as_secs()
        };
        assert_eq!([0, 1, 30, 90].map(wait), [1, 1, 30, 60]);
    }
}
