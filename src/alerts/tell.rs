//! Tells what waits to be told: by webhook, and by mail. At least once each, under one name however often.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::{AlertChange, MessageId, PersonalText};
use jobs::hooks::{HookError, OwnHook};
use providers::Failure;
use providers::outgoing::{EmailContent, Line, OutgoingEmail};
use providers::smtp::SmtpClient;
use queue::Backoff;
use serde_json::{Value, json};
use store::{AlertNotice, Store};

use super::words;
use crate::config::{AlertMail, AlertSettings};

pub(crate) const WEBHOOK: &str = "webhook";
pub(crate) const EMAIL: &str = "email";

/// For how long one who tells has a notice to itself: longer than telling may take, so that nobody else tells it meanwhile.
const TAKEN_FOR: TimeDelta = TimeDelta::seconds(60);

/// How long to wait after failures.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(15),
    cap: Duration::from_secs(30 * 60),
};

/// What could not be told for so long is not told any more.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::hours(24);

/// How many notices are told before others have a turn of the loop.
const AT_ONCE: usize = 100;

/// Tells. Any number of them may.
pub struct Teller {
    store: Store,
    hook: Option<OwnHook>,
    mail: Option<(AlertMail, SmtpClient)>,
}

/// Why a notice was not told.
enum Untold {
    /// It may be later; at that moment at the earliest, if one was named.
    Later(String, Option<TimeDelta>),
    /// It never will be.
    Never(String),
}

/// Where notices go by these settings.
pub(super) fn destinations(settings: &AlertSettings) -> Vec<&'static str> {
    let webhook = settings.webhook.as_ref().map(|_| WEBHOOK);
    let email = settings.mail.as_ref().map(|_| EMAIL);
    webhook.into_iter().chain(email).collect()
}

impl Teller {
    /// By these settings.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(store: Store, settings: &AlertSettings) -> anyhow::Result<Self> {
        let hook = settings.webhook.clone().map(|hook| OwnHook::new(hook.url, hook.secret));
        let mail = settings.mail.clone().map(|mail| {
            let client = SmtpClient::new(&mail.server).context("the mail server of ALERT_SMTP_URL cannot be used");
            client.map(|client| (mail, client))
        });
        Ok(Self {
            store,
            hook: hook.transpose()?,
            mail: mail.transpose()?,
        })
    }

    /// Tells everything that is due, by each way at once: one that hangs holds up no other. Answers how many were told.
    ///
    /// # Errors
    /// Only those of the store: what cannot be told is put off, and given up in the end.
    pub async fn tell(&self, now: DateTime<Utc>) -> anyhow::Result<usize> {
        // Also by what these settings name no more: in the end it is given up.
        let (posted, mailed) = tokio::join!(self.tell_by(WEBHOOK, now), self.tell_by(EMAIL, now));
        Ok(posted? + mailed?)
    }

    async fn tell_by(&self, destination: &str, now: DateTime<Utc>) -> anyhow::Result<usize> {
        let (began, mut told) = (Instant::now(), 0);
        for _ in 0..AT_ONCE {
            // Telling takes time, and what is signed says when that was.
            let now = now + TimeDelta::from_std(began.elapsed()).unwrap_or_default();
            let until = now + TAKEN_FOR;
            let Some(notice) = self.store.take_alert_notice(destination, now, until).await? else {
                break;
            };
            match self.try_to_tell(&notice, now).await {
                Ok(()) => {
                    self.store.alert_notice_told(&notice, now).await?;
                    told += 1;
                }
                Err(why) => self.untold(&notice, why, now).await?,
            }
        }
        Ok(told)
    }

    async fn try_to_tell(&self, notice: &AlertNotice, now: DateTime<Utc>) -> Result<(), Untold> {
        match (notice.destination.as_str(), &self.hook, &self.mail) {
            (WEBHOOK, Some(hook), _) => {
                let id = notice.alert.told_as(notice.change).to_string();
                hook.post(&id, &posted(notice), now).await.map_err(Untold::from)
            }
            (EMAIL, _, Some((mail, client))) => {
                client
                    .send(&letter(notice, mail), now)
                    .await
                    .map(drop)
                    .map_err(|error| {
                        let why = error.to_string();
                        match error.failure {
                            Failure::Rejected(_) => Untold::Never(why),
                            _ => Untold::Later(why, error.until.map(|until| until - now)),
                        }
                    })
            }
            _ => Err(Untold::Later("this process knows no such destination".into(), None)),
        }
    }

    async fn untold(&self, notice: &AlertNotice, why: Untold, now: DateTime<Utc>) -> anyhow::Result<()> {
        let AlertNotice {
            alert,
            change,
            destination,
            attempt,
            ..
        } = notice;
        let (why, wait) = match why {
            Untold::Later(why, named) if now - notice.made_at < GIVEN_UP_AFTER => {
                (why, named.unwrap_or_default().clamp(wait(*attempt), whole(BACKOFF.cap)))
            }
            Untold::Later(why, _) | Untold::Never(why) => {
                tracing::error!(%alert, %change, destination, attempt, why, "An alert could not be told, and is given up.");
                return Ok(self.store.alert_notice_given_up(notice).await?);
            }
        };
        tracing::warn!(%alert, %change, destination, attempt, why, "An alert could not be told; it is tried again.");
        Ok(self.store.alert_notice_put_off(notice, now + wait).await?)
    }
}

fn whole(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
}

/// How long to wait after that many attempts.
fn wait(attempts: u32) -> TimeDelta {
    // The whole of it: one clock tells at a time, so that there is no crowd to spread.
    whole(BACKOFF.wait(attempts, 1.0))
}

impl From<HookError> for Untold {
    fn from(error: HookError) -> Self {
        match error {
            // "The endpoint is gone": the specification has senders stop.
            HookError::Unusable | HookError::Refused(410) => Self::Never(error.to_string()),
            HookError::Later(_, wait) => Self::Later(error.to_string(), TimeDelta::from_std(wait).ok()),
            HookError::Away | HookError::Refused(_) => Self::Later(error.to_string(), None),
        }
    }
}

/// What is posted. Only what the notice itself says, so that every attempt says the same.
fn posted(notice: &AlertNotice) -> Value {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let (summary, to_do) = match notice.change {
        AlertChange::Fired => (
            words::happened(notice.rule, &notice.subject, notice.value),
            Some(words::to_do(notice.rule)),
        ),
        AlertChange::Recovered => (words::over(notice.rule, &notice.subject), None),
    };
    let seconds = (notice.made_at - notice.since).num_seconds();
    json!({
        "type": format!("alert.{}", notice.change),
        "timestamp": time(notice.made_at),
        "data": {
            "alert_id": notice.alert, "rule": notice.rule, "subject": notice.subject, "value": notice.value,
            "since": time(notice.since), "lasted_seconds": seconds, "summary": summary, "to_do": to_do,
        },
    })
}

fn letter(notice: &AlertNotice, mail: &AlertMail) -> OutgoingEmail {
    OutgoingEmail {
        // The mail's `Message-ID` is made of it.
        id: MessageId(notice.alert.told_as(notice.change)),
        from: mail.from.clone(),
        reply_to: None,
        to: mail.to.clone(),
        subject: Line::new(&words::line(notice)),
        content: EmailContent::Text(PersonalText::new(words::mail(notice))),
        attachments: Vec::new(),
        unsubscribe: None,
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_an_hour() {
        let seconds = |attempts| wait(attempts).num_seconds();
        assert_eq!(
            [1, 2, 3, 7, 8, 9, 100].map(seconds),
            [15, 30, 60, 960, 1800, 1800, 1800]
        );
    }
}
