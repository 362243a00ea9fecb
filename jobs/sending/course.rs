//! One run of a job that sends.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use chrono::{DateTime, Utc};
use domain::outgoing::{AttemptResult, MessageEnd};
use domain::{EventKind, Status, TenantId};
use providers::event::DeliveryStatus;
use providers::{Outgoing, SendError, Sent};
use queue::backend::Excerpt;
use queue::{JobError, Origin};
use store::{AttemptBegun, MessageBegun, NewAttempt, Pass, Passage, StoreError};

use super::answer::{self, OrElse, Says, Then, span};
use super::compose::{Additions, compose};
use super::files::FileError;
use super::reconcile::{self, ASKS_A_PERSON};
use super::{Content, Hop, Sending, SendingJob, links, otp, tracking, waits_for_quiet_hours};
use crate::Ctx;
use crate::outside::Account;

/// How often one run may find something out and begin again: once for each account that may have sent it.
const ROUNDS_MAX: usize = 4;

/// A message that quiet hours hold looks again after so long at the latest: somebody may have ended or shortened them.
const QUIET_LOOK_AGAIN: Duration = Duration::from_secs(30 * 60);

/// What a dead letter says of a message that nobody can send or ask about any more.
const CREDENTIALS_GONE: &str =
    "it is not known whether the provider sent it, and the credentials are gone that it was sent with";

/// The code of an attempt that was prepared, came too late for the start that the account's rate allowed, and made no call.
const START_MISSED: &str = "start_missed";

/// While the store is away, what came of an attempt is brought to it again and again, until the run's time is up.
const TELL_AGAIN: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_max_delay(Duration::from_secs(1))
    .without_max_times()
    .with_jitter();

/// What all steps of a run share.
pub(super) struct Course<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) sending: &'a Sending,
    pub(super) tenant: TenantId,
    pub(super) attempt: &'a queue::Attempt,
}

/// Runs a job that sends.
///
/// # Errors
/// What the queue is to do with it: see [the table](super::answer).
pub(crate) async fn run<J: SendingJob>(job: &J, ctx: &Ctx, attempt: &queue::Attempt) -> Result<(), JobError> {
    let course = Course {
        ctx,
        sending: job.sending(),
        tenant: TenantId(attempt.tenant),
        attempt,
    };
    match course.run().await? {
        End::Done => Ok(()),
        End::Next => {
            let next = job.with(course.sending.on_next_hop());
            let origin = Origin {
                tenant: attempt.tenant,
                correlation: attempt.correlation,
            };
            // Before this job is settled: a crash between the two only adds it once more, as a duplicate.
            ctx.queue.add(&next, origin).await?;
            tracing::info!("The message goes on by the next account.");
            Ok(())
        }
    }
}

/// A pass to call an account; `Err`: its circuit is open, and until when.
pub(super) type Entry = Result<Pass, DateTime<Utc>>;

/// How a run ended that ended well.
pub(super) enum End {
    /// Nothing is left to do.
    Done,
    /// The next account is to send it.
    Next,
}

impl Course<'_> {
    async fn run(&self) -> Result<End, JobError> {
        let message = &self.sending.message;
        let store = &self.ctx.store;
        let begun = store.begin_message(self.tenant, message, Utc::now()).await;
        if begun.map_err(from_store)? == MessageBegun::OtherRequest {
            let why = "another message was asked for with the same idempotency key";
            return Err(JobError::Dead(why.to_owned()));
        }
        self.wait_for_quiet_hours().await?;
        let hop = self.sending.hop();
        let hop = hop.ok_or_else(|| JobError::Dead("it names no account to go by".to_owned()))?;
        let Some(account) = self.account(hop).await? else {
            return self.without_account().await;
        };
        let pass = self.passage(hop).await?;
        for _ in 0..ROUNDS_MAX {
            match self.round(hop, &account, &pass).await? {
                Round::Again => {}
                Round::End(end) => return Ok(end),
            }
        }
        Err("what became of earlier attempts is not settled yet".into())
    }

    async fn wait_for_quiet_hours(&self) -> Result<(), JobError> {
        let message = &self.sending.message;
        if self.sending.confirms || !waits_for_quiet_hours(message.class, message.channel) {
            return Ok(());
        }
        let settings = self.ctx.store.settings(self.tenant).await.map_err(from_store)?;
        let now = Utc::now();
        match settings.quiet_hours.and_then(|hours| hours.hold_until(now)) {
            Some(until) => Err(JobError::Snooze(span(until - now).min(QUIET_LOOK_AGAIN))),
            None => Ok(()),
        }
    }

    pub(super) async fn account(&self, hop: &Hop) -> Result<Option<Arc<Account>>, JobError> {
        let outside = &self.ctx.outside;
        let opened = outside.account(&self.ctx.store, self.tenant, hop.credential).await;
        opened.map_err(|error| JobError::Retry(format!("{error:#}").into()))
    }

    /// The credentials of this account were deleted.
    async fn without_account(&self) -> Result<End, JobError> {
        if self.sending.has_next_hop() {
            return self.pass_over("credentials_gone").await;
        }
        if self.may_have_gone().await? {
            return Err(JobError::Dead(CREDENTIALS_GONE.to_owned()));
        }
        self.fail("credentials_gone".to_owned()).await
    }

    async fn passage(&self, hop: &Hop) -> Result<Entry, JobError> {
        let store = &self.ctx.store;
        let passage = store.circuit_passage(self.tenant, hop.credential, Utc::now()).await;
        Ok(match passage.map_err(from_store)? {
            Passage::Granted(pass) => Ok(pass),
            Passage::Refused { until } => Err(until),
        })
    }

    /// One try to begin an attempt, and what follows from what is found.
    async fn round(&self, hop: &Hop, account: &Arc<Account>, pass: &Entry) -> Result<Round, JobError> {
        if let Err(until) = pass
            && !self.may_have_gone().await?
        {
            if self.sending.has_next_hop() {
                return self.pass_over("circuit_open").await.map(Round::End);
            }
            return Err(JobError::Snooze(span(*until - Utc::now())));
        }
        let outgoing = match self.outgoing(account).await? {
            Ok(outgoing) => outgoing,
            Err(end) => return Ok(Round::End(end)),
        };
        match self.begin_attempt(hop, false).await? {
            AttemptBegun::Go { number } => {
                if let Err(not_now) = self.attempt.starts_at.reached().await {
                    // Nobody has called for this attempt, so there is no doubt about it.
                    let code = START_MISSED.to_owned();
                    self.end_attempt(number, &AttemptResult::NotSent { code }).await?;
                    return Err(not_now);
                }
                self.call(account, *pass, &outgoing, number).await.map(Round::End)
            }
            AttemptBegun::Open(open) | AttemptBegun::Unclear(open) => {
                if let Some(wait) = reconcile::in_flight_for(&open, Utc::now()) {
                    return Err(JobError::Snooze(wait));
                }
                self.settle(hop, account, *pass, outgoing, &open).await
            }
            AttemptBegun::Sent(_) | AttemptBegun::Ended(_) => Ok(Round::End(End::Done)),
            AttemptBegun::Suppressed { reason, .. } => {
                self.end_message(&MessageEnd::Suppressed(reason)).await?;
                tracing::info!(reason = reason.as_str(), "Not sent: its recipient is not written to.");
                Ok(Round::End(End::Done))
            }
            AttemptBegun::Unknown => Err("the message was not written down".into()),
        }
    }

    pub(super) async fn begin_attempt(&self, hop: &Hop, although_unclear: bool) -> Result<AttemptBegun, JobError> {
        let attempt = NewAttempt {
            provider: hop.provider.as_str().to_owned(),
            credential: Some(hop.credential),
            although_unclear,
            although_stopped: self.sending.confirms,
        };
        let id = self.sending.message.id;
        let begun = self
            .ctx
            .store
            .begin_attempt(self.tenant, id, &attempt, Utc::now())
            .await;
        begun.map_err(from_store)
    }

    /// Calls the provider: the one place where a message leaves. The intent is written and the account's rate lets it start;
    /// what comes of it is written before anything else follows.
    pub(super) async fn call(
        &self,
        account: &Account,
        pass: Entry,
        outgoing: &Outgoing,
        number: u32,
    ) -> Result<End, JobError> {
        let answered = account.sender.send(outgoing, Utc::now()).await;
        let provider = account.sender.provider().as_str();
        match answered {
            Ok(taken) => {
                self.end_attempt(number, &sent(taken)).await?;
                self.tell_circuit(account, pass, Says::Works).await;
                tracing::info!(provider, channel = %self.sending.message.channel, "The provider took the message.");
                Ok(End::Done)
            }
            Err(error) => {
                note(self.attempt, error.excerpt.as_deref());
                let meaning = answer::meaning(&error, self.sending.message.class, Utc::now());
                self.end_attempt(number, &meaning.result).await?;
                self.tell_circuit(account, pass, meaning.account).await;
                tracing::warn!(
                    provider, code = %error.code, failure = %error.failure, "The provider did not take the message."
                );
                self.then(meaning.then, error).await
            }
        }
    }

    async fn then(&self, then: Then, error: SendError) -> Result<End, JobError> {
        match then {
            Then::Cool(wait) => Err(JobError::RetryAfter(wait)),
            Then::Hold(wait) => Err(JobError::Snooze(wait)),
            Then::Again => Err(error.into()),
            Then::Elsewhere(or_else) => {
                if error.failure == providers::Failure::Unauthorized {
                    self.forget_account();
                }
                let code = error.code.to_string();
                match (self.sending.has_next_hop(), or_else) {
                    (false, OrElse::Again) => Err(error.into()),
                    _ => self.elsewhere(or_else, &code).await,
                }
            }
            Then::Fail => self.fail(error.code.to_string()).await,
        }
    }

    /// Somebody may have replaced the credentials.
    fn forget_account(&self) {
        if let Some(hop) = self.sending.hop() {
            self.ctx.outside.forget(self.tenant, hop.credential);
        }
    }

    /// On to the next account, or whatever follows if there is none.
    async fn elsewhere(&self, or_else: OrElse, code: &str) -> Result<End, JobError> {
        if self.sending.has_next_hop() {
            return Ok(End::Next);
        }
        match or_else {
            OrElse::Again => Err(format!("no account could take it ({code})").into()),
            OrElse::Cool(wait) => Err(JobError::RetryAfter(wait)),
            OrElse::Fail => self.fail(code.to_owned()).await,
            OrElse::Dead => Err(JobError::Dead(format!("no account could take it ({code})"))),
        }
    }

    /// On to the next account without having asked this one, and why stands among the message's events.
    async fn pass_over(&self, code: &str) -> Result<End, JobError> {
        let provider = self.sending.hop().map_or("", |hop| hop.provider.as_str());
        let (store, id) = (&self.ctx.store, self.sending.message.id);
        let place = u32::try_from(self.sending.hop).unwrap_or(u32::MAX);
        let noted = store
            .pass_over(self.tenant, id, place, provider, code, Utc::now())
            .await;
        noted.map_err(from_store)?;
        Ok(End::Next)
    }

    async fn fail(&self, code: String) -> Result<End, JobError> {
        tracing::warn!(code, "The message has failed for good.");
        self.end_message(&MessageEnd::Failed { code }).await?;
        Ok(End::Done)
    }

    /// The message as this account sends it. `Err`: it cannot be composed, and has failed.
    pub(super) async fn outgoing(&self, account: &Account) -> Result<Result<Outgoing, End>, JobError> {
        let mut additions = Additions {
            report_to: account.report_to.clone(),
            ..Additions::default()
        };
        if let Content::Code { challenge, key_id } = &self.sending.content {
            let known = self
                .ctx
                .store
                .challenge(self.tenant, *challenge)
                .await
                .map_err(from_store)?;
            // Its job expires with it, but a dead letter that is retried gets its span again.
            if known.is_none_or(|known| known.expires_at <= Utc::now()) {
                return self.fail("code_expired".to_owned()).await.map(Err);
            }
            let code = otp::code(self.ctx.queue.keyring(), key_id, *challenge);
            let Some(code) = code else {
                return self.fail("code_key_gone".to_owned()).await.map(Err);
            };
            additions.code = Some(code);
        }
        if let Content::Link { link } = &self.sending.content {
            if link.expires_at <= Utc::now() {
                return self.fail("link_expired".to_owned()).await.map(Err);
            }
            let (keyring, public_url) = (self.ctx.queue.keyring(), self.ctx.outside.public_url());
            additions.link = links::address(keyring, public_url, self.tenant, *link);
        }
        if let Content::Email(body) = &self.sending.content {
            match self.ctx.outside.files().fetch(&body.attachments).await {
                Ok(files) => additions.files = files,
                Err(FileError::Away) => return Err(FileError::Away.into()),
                Err(error) => return self.fail(error.code().to_owned()).await.map(Err),
            }
            if body.tracking && !account.sender.provider().follows_mail() {
                let links = tracking::Links::new(self.ctx, self.tenant, self.sending.message.id);
                additions.html = body.html.as_ref().and_then(|html| links.followed(html.expose()));
            }
        }
        match compose(self.sending, account.sender.provider(), additions) {
            Ok(outgoing) => Ok(Ok(outgoing)),
            Err(error) => {
                tracing::warn!(%error, "The message cannot be composed.");
                self.fail("uncomposable".to_owned()).await.map(Err)
            }
        }
    }

    /// Writes down what came of an attempt. Nobody else knows it: what is lost here leaves the message in doubt.
    pub(super) async fn end_attempt(&self, number: u32, result: &AttemptResult) -> Result<(), JobError> {
        let id = self.sending.message.id;
        let store = &self.ctx.store;
        let end = || store.end_attempt(self.tenant, id, number, result, Utc::now());
        let ended = end.retry(TELL_AGAIN).when(StoreError::is_transient).await;
        ended.map_err(from_store)?;
        Ok(())
    }

    async fn end_message(&self, end: &MessageEnd) -> Result<Option<Status>, JobError> {
        let id = self.sending.message.id;
        let ended = self.ctx.store.end_message(self.tenant, id, end, Utc::now()).await;
        ended.map_err(from_store)
    }

    /// The message's own end is written down already: that the circuit does not hear of it costs one failure more.
    async fn tell_circuit(&self, account: &Account, pass: Entry, says: Says) {
        let Ok(pass) = pass else { return };
        let (store, now) = (&self.ctx.store, Utc::now());
        let told = match says {
            Says::Works => store
                .circuit_succeeded(self.tenant, account.id, pass, now)
                .await
                .map(|()| None),
            Says::Fails => store.circuit_failed(self.tenant, account.id, pass, now).await,
            Says::Nothing => return,
        };
        match told {
            Ok(Some(until)) => tracing::warn!(credential = %account.id, %until, "The circuit of an account is open."),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "The circuit of an account could not be told."),
        }
    }

    async fn may_have_gone(&self) -> Result<bool, JobError> {
        let id = self.sending.message.id;
        let attempts = self.ctx.store.attempts(self.tenant, id).await.map_err(from_store)?;
        Ok(attempts.last().is_some_and(|last| last.state.may_have_gone()))
    }

    /// Whether this job has waited as a dead letter for a person to decide about `attempt`, and was retried.
    pub(super) async fn a_person_decided(&self, attempt: &store::Attempt) -> Result<bool, JobError> {
        let kept = self.ctx.queue.backend().find(self.attempt.job).await?;
        let ended = attempt.ended_at.unwrap_or(attempt.started_at).timestamp_millis();
        let asked = |failure: &queue::backend::Failure| failure.error == ASKS_A_PERSON && failure.at >= ended;
        Ok(kept.is_some_and(|kept| kept.errors.iter().any(asked)))
    }
}

/// Keeps what may be kept of a call, for the history of the job's attempts.
pub(crate) fn note(attempt: &queue::Attempt, call: Option<&providers::Excerpt>) {
    if let Some(call) = call.cloned() {
        attempt.notes.note(Excerpt {
            request: Some(call.request),
            response: call.response,
        });
    }
}

/// How one try within a run ended.
pub(super) enum Round {
    /// Something was found out: another try follows.
    Again,
    End(End),
}

/// A message that a provider took, as the store has it.
pub(super) fn sent(taken: Sent) -> AttemptResult {
    let kind = match taken.status {
        DeliveryStatus::Sending => EventKind::Sending,
        DeliveryStatus::Sent => EventKind::Sent,
        _ => EventKind::Accepted,
    };
    AttemptResult::Sent {
        external_id: taken.external_id,
        kind,
    }
}

/// What the store's refusal means: what breaks a rule of the schema, or belongs to a tenant that is gone, will again.
pub(crate) fn from_store(error: StoreError) -> JobError {
    match error {
        StoreError::Constraint(_) | StoreError::Corrupt(_) | StoreError::Missing => JobError::Dead(error.to_string()),
        _ => error.into(),
    }
}
