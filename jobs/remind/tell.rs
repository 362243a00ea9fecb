//! Telling one member what is overdue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use domain::interaction::reminder::DIGEST_OVER_MAX;
use domain::interaction::{Telling, Warning};
use domain::{
    Channel, Fingerprint, InteractionId, Language, MessageClass, MessageId, OutgoingRecord, Recipient, TenantId, UserId,
};
use futures_util::future::try_join_all;
use queue::{Attempt, JobError, Origin, QueueError};
use store::{ReminderBatch, Settings, StoreError};
use uuid::Uuid;

use super::text::{self, Words};
use crate::Ctx;
use crate::sending::{self, Content, EmailBody, Hop, Sending, waits_for_quiet_hours};

/// What the tenant's own words for these messages are.
const TAG: &str = "reminder";

/// What came of telling.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// Messages that are on their way.
    pub(super) messages: u64,
    /// Members who are told when quiet hours end.
    pub(super) held: u64,
    /// Members whose rows cannot be used.
    pub(super) failed: u64,
}

impl Told {
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            held: self.held + other.held,
            failed: self.failed + other.failed,
        }
    }
}

/// What keeps from telling somebody.
enum Trouble {
    /// It is about them: others can be told.
    Theirs(StoreError),
    /// It is not.
    Everybodys(JobError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            Self::Everybodys(error.into())
        } else {
            Self::Theirs(error)
        }
    }
}

impl From<QueueError> for Trouble {
    fn from(error: QueueError) -> Self {
        Self::Everybodys(error.into())
    }
}

/// The accounts of tenants, by channel.
type Routes = HashMap<(TenantId, Channel), Arc<[Hop]>>;

/// What all members of a run share.
pub(super) struct Teller<'a> {
    ctx: &'a Ctx,
    attempt: &'a Attempt,
    now: DateTime<Utc>,
    tenants: Mutex<HashMap<TenantId, Arc<Settings>>>,
    routes: Mutex<Routes>,
}

/// Where and how somebody is told.
struct Reach<'a> {
    channel: Channel,
    to: Recipient,
    language: Language,
    settings: &'a Settings,
    hops: Arc<[Hop]>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(ctx: &'a Ctx, attempt: &'a Attempt, now: DateTime<Utc>) -> Self {
        Self {
            ctx,
            attempt,
            now,
            tenants: Mutex::default(),
            routes: Mutex::default(),
        }
    }

    /// Tells a member what there is to tell. Rows that cannot be used keep only those from being told whose they are.
    pub(super) async fn tell(&self, tenant: TenantId, user: UserId) -> Result<Told, JobError> {
        match self.try_to_tell(tenant, user).await {
            Ok(told) => Ok(told),
            Err(Trouble::Everybodys(error)) => Err(error),
            Err(Trouble::Theirs(error)) => {
                tracing::error!(tenant = %tenant, member = %user, %error, "What a member is to be told cannot be read.");
                Ok(Told {
                    failed: 1,
                    ..Told::default()
                })
            }
        }
    }

    async fn try_to_tell(&self, tenant: TenantId, user: UserId) -> Result<Told, Trouble> {
        let store = &self.ctx.store;
        let Some(member) = store.member(tenant, user).await? else {
            // Who left has taken their reminders along.
            return Ok(Told::default());
        };
        let settings = self.settings(tenant).await?;
        let reached = member.notify.reach(&member.email);
        let is_quiet = settings.quiet_hours.is_some_and(|hours| hours.cover(self.now));
        if let Some((channel, _)) = &reached
            && is_quiet
            && waits_for_quiet_hours(MessageClass::Transactional, *channel)
        {
            return Ok(Told {
                held: 1,
                ..Told::default()
            });
        }
        store
            .gather_reminders(tenant, user, Uuid::new_v4(), settings.digest_over)
            .await?;
        let reach = match reached {
            Some((channel, to)) => Ok(Reach {
                channel,
                to,
                language: member.language.unwrap_or(settings.language),
                settings: &settings,
                hops: self.hops(tenant, channel).await?,
            }),
            None => Err(Warning::NoChannel),
        };
        let mut told = Told::default();
        for batch in store.reminder_batches(tenant, user).await? {
            let sent = match &reach {
                Ok(reach) => self.send(tenant, user, batch, reach).await?,
                Err(warning) => Err(*warning),
            };
            if let Err(warning) = sent {
                tracing::warn!(
                    tenant = %tenant, member = %user, interactions = batch.count, why = %warning,
                    "A member could not be told what is overdue."
                );
            }
            store.end_reminder_batch(tenant, user, batch.id, sent.err()).await?;
            told.messages += sent.unwrap_or_default();
        }
        Ok(told)
    }

    /// Adds a batch's messages; answers how many, or why there are none.
    async fn send(
        &self,
        tenant: TenantId,
        user: UserId,
        batch: ReminderBatch,
        reach: &Reach<'_>,
    ) -> Result<Result<u64, Warning>, Trouble> {
        let most = match batch.telling {
            Telling::Each => DIGEST_OVER_MAX,
            Telling::Digest => text::named_at_most(reach.channel),
        };
        let reminded = self.ctx.store.reminded(tenant, user, batch.id, most).await?;
        let zone = reach.settings.zone();
        let sendings: Vec<(Option<InteractionId>, Sending)> = match batch.telling {
            Telling::Each => {
                let sendings = reminded.iter().map(|reminded| {
                    let about = Some(reminded.interaction);
                    let words = text::one(reminded, reach.language, zone);
                    (about, reach.sending(tenant, batch.id, about, words))
                });
                sendings.collect()
            }
            Telling::Digest => {
                let words = text::digest(&reminded, batch.count, reach.language, zone);
                vec![(None, reach.sending(tenant, batch.id, None, words))]
            }
        };
        if reach.hops.is_empty() || sendings.iter().any(|(_, sending)| sending.check().is_err()) {
            return Ok(Err(Warning::NoRoute));
        }
        // Before they can fail.
        for (about, sending) in &sendings {
            let store = &self.ctx.store;
            store
                .told_by(tenant, user, batch.id, *about, sending.message.id)
                .await?;
        }
        let origin = Origin {
            tenant: tenant.0,
            correlation: self.attempt.correlation,
        };
        let at = self.ctx.queue.clock().now();
        let adding = sendings
            .into_iter()
            .map(|(_, sending)| sending::add(&self.ctx.queue, sending, origin, at));
        Ok(Ok(try_join_all(adding).await?.len() as u64))
    }

    async fn settings(&self, tenant: TenantId) -> Result<Arc<Settings>, StoreError> {
        if let Some(known) = lock(&self.tenants).get(&tenant) {
            return Ok(Arc::clone(known));
        }
        let settings = Arc::new(self.ctx.store.settings(tenant).await?);
        lock(&self.tenants).insert(tenant, Arc::clone(&settings));
        Ok(settings)
    }

    async fn hops(&self, tenant: TenantId, channel: Channel) -> Result<Arc<[Hop]>, StoreError> {
        if let Some(known) = lock(&self.routes).get(&(tenant, channel)) {
            return Ok(Arc::clone(known));
        }
        let route = self.ctx.store.route(tenant, channel).await?;
        let hops: Arc<[Hop]> = Hop::of_route(&route, channel).into();
        lock(&self.routes).insert((tenant, channel), Arc::clone(&hops));
        Ok(hops)
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reach<'_> {
    /// The message about one interaction of a batch, or about all of it. Its id, and what it is known again by, follow from
    /// those alone: whoever changed how they are told meanwhile is still told once.
    fn sending(&self, tenant: TenantId, batch: Uuid, about: Option<InteractionId>, words: Words) -> Sending {
        let about = about.map_or(Uuid::nil(), |interaction| interaction.0);
        let mut fingerprint = [0; 32];
        fingerprint[..16].copy_from_slice(batch.as_bytes());
        fingerprint[16..].copy_from_slice(about.as_bytes());
        let content = match self.channel {
            Channel::Email => {
                let body = EmailBody {
                    text: Some(words.text.into()),
                    ..EmailBody::new(words.subject)
                };
                // It is not written down with the message as well: what work with somebody is called would outlive them, in
                // a message to somebody else.
                Content::Email(Box::new(body))
            }
            Channel::Sms | Channel::Whatsapp => Content::Text {
                text: words.text.into(),
            },
        };
        let message = OutgoingRecord {
            id: MessageId::of_ours(tenant, &format!("reminder/{batch}/{about}")),
            fingerprint: Fingerprint(fingerprint),
            channel: self.channel,
            recipient: self.to.clone(),
            class: MessageClass::Transactional,
            language: Some(self.language),
            template: None,
            tags: vec![TAG.to_owned()],
            scheduled_at: None,
            person_id: None,
            organisation_id: None,
            subject: None,
            content: None,
            to_member: true,
        };
        Sending {
            message,
            from: self.settings.senders.of(self.channel).clone(),
            content,
            hops: self.hops.to_vec(),
            hop: 0,
            confirms: false,
        }
    }
}
