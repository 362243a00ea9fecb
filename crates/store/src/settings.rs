//! Settings of a tenant: how it wants to send.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::interaction::reminder::DIGEST_OVER_DEFAULT;
use domain::{AuditAction, Author, Channel, Language, PersonalText, QuietHours, TenantId};
use serde_json::{Value, json};
use sqlx::FromRow;

use crate::audit_log::{self, NewAuditEntry};
use crate::db::Tx;
use crate::messages::{text, word};
use crate::tenants::context;
use crate::{Store, StoreError};

/// How a tenant wants to send. What it never said is as in [`Default`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// When people are left alone.
    pub quiet_hours: Option<QuietHours>,
    /// The language of what says none.
    pub language: Language,
    /// Whether opens and clicks of its mail are followed.
    pub tracking: bool,
    /// Whom its messages come from.
    pub senders: Senders,
    /// Whose clock its days are of, if it said so.
    pub time_zone: Option<Tz>,
    /// More reminders than this come in one message.
    pub digest_over: u32,
}

/// Whom a tenant's messages come from, by channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Senders {
    /// Mail: `Name <address>` or an address.
    pub email: Option<PersonalText>,
    /// SMS: a number, a name, a messaging service.
    pub sms: Option<PersonalText>,
    /// WhatsApp: a number.
    pub whatsapp: Option<PersonalText>,
}

impl Senders {
    /// Whom messages of this channel come from.
    #[must_use]
    pub const fn of(&self, channel: Channel) -> &Option<PersonalText> {
        match channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
            Channel::Whatsapp => &self.whatsapp,
        }
    }

    /// The same, to be changed.
    pub const fn of_mut(&mut self, channel: Channel) -> &mut Option<PersonalText> {
        match channel {
            Channel::Email => &mut self.email,
            Channel::Sms => &mut self.sms,
            Channel::Whatsapp => &mut self.whatsapp,
        }
    }
}

#[derive(FromRow)]
struct Row {
    quiet_hours: Option<String>,
    language: String,
    tracking: bool,
    sender_email: Option<Vec<u8>>,
    sender_sms: Option<Vec<u8>>,
    sender_whatsapp: Option<Vec<u8>>,
    time_zone: Option<String>,
    digest_over: i64,
}

impl Settings {
    /// Whose clock its days are of: as it said, else that of its quiet hours, else UTC.
    #[must_use]
    pub fn zone(&self) -> Tz {
        let of_quiet_hours = self.quiet_hours.map(|hours| hours.zone());
        self.time_zone.or(of_quiet_hours).unwrap_or(Tz::UTC)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            quiet_hours: None,
            language: Language::English,
            tracking: true,
            senders: Senders::default(),
            time_zone: None,
            digest_over: DIGEST_OVER_DEFAULT,
        }
    }
}

const SELECT: &str =
    "SELECT quiet_hours, language, tracking, sender_email, sender_sms, sender_whatsapp, time_zone, digest_over
     FROM tenant_settings WHERE tenant_id = $1";

impl Store {
    /// How a tenant wants to send.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a sender was sealed under a key that is not in the keyring.
    pub async fn settings(&self, tenant: TenantId) -> Result<Settings, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(SELECT).bind(tenant.0).fetch_optional(pool).await)?;
        self.open_settings(tenant, row)
    }

    /// Changes how a tenant wants to send. `change` gets what there is and answers what is to be, or why not; of two that
    /// change at once, the later one gets what the first one left.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone; [`StoreError::Sealed`] when a sender was sealed under a key that is not
    /// in the keyring; whatever `change` answers.
    pub async fn change_settings<E: From<StoreError>>(
        &self,
        tenant: TenantId,
        change: impl FnOnce(Settings) -> Result<Settings, E>,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<Settings, E> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(tenant.0).await?;
        let row: Option<Row> = on!(tx.connection(), connection =>
            sqlx::query_as(SELECT).bind(tenant.0).fetch_optional(connection).await)
        .map_err(StoreError::from)?;
        let before = self.open_settings(tenant, row)?;
        let after = change(before.clone())?;
        self.write_settings(&mut tx, tenant, &after, now).await?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::TenantChanged, tenant);
        let mut now_shown = shown(&after);
        now_shown["senders_changed"] = senders_changed(&before.senders, &after.senders);
        audit_log::write(&mut tx, &entry.changed(shown(&before), now_shown), now).await?;
        tx.commit().await?;
        Ok(after)
    }

    fn open_settings(&self, tenant: TenantId, row: Option<Row>) -> Result<Settings, StoreError> {
        let Some(row) = row else { return Ok(Settings::default()) };
        let sender =
            |column, sealed| Ok::<_, StoreError>(text(&self.keyring, column, tenant.0, sealed)?.map(PersonalText::new));
        let quiet_hours = row.quiet_hours.as_deref().map(serde_json::from_str).transpose();
        Ok(Settings {
            quiet_hours: quiet_hours.map_err(|_| StoreError::Corrupt("quiet hours".into()))?,
            language: word(&row.language, "an unknown language")?,
            tracking: row.tracking,
            senders: Senders {
                email: sender("settings.sender_email", row.sender_email)?,
                sms: sender("settings.sender_sms", row.sender_sms)?,
                whatsapp: sender("settings.sender_whatsapp", row.sender_whatsapp)?,
            },
            time_zone: row
                .time_zone
                .map(|zone| word(&zone, "an unknown time zone"))
                .transpose()?,
            digest_over: u32::try_from(row.digest_over).unwrap_or(DIGEST_OVER_DEFAULT),
        })
    }

    async fn write_settings(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let quiet_hours = settings
            .quiet_hours
            .map(|hours| serde_json::to_string(&hours))
            .transpose();
        let quiet_hours = quiet_hours.map_err(|_| StoreError::Corrupt("quiet hours".into()))?;
        let sealed = |column, sender: &Option<PersonalText>| {
            let seal = |sender: &PersonalText| {
                self.keyring
                    .seal(&context(column, tenant.0), sender.expose().as_bytes())
            };
            sender.as_ref().map(seal)
        };
        let Senders { email, sms, whatsapp } = &settings.senders;
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO tenant_settings
                     (tenant_id, quiet_hours, language, tracking, sender_email, sender_sms, sender_whatsapp, updated_at,
                      time_zone, digest_over)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (tenant_id) DO UPDATE SET
                     quiet_hours = excluded.quiet_hours, language = excluded.language, tracking = excluded.tracking,
                     sender_email = excluded.sender_email, sender_sms = excluded.sender_sms,
                     sender_whatsapp = excluded.sender_whatsapp, updated_at = excluded.updated_at,
                     time_zone = excluded.time_zone, digest_over = excluded.digest_over")
                .bind(tenant.0)
                .bind(&quiet_hours)
                .bind(settings.language.as_str())
                .bind(settings.tracking)
                .bind(sealed("settings.sender_email", email))
                .bind(sealed("settings.sender_sms", sms))
                .bind(sealed("settings.sender_whatsapp", whatsapp))
                .bind(now.timestamp_millis())
                .bind(settings.time_zone.map(Tz::name))
                .bind(i64::from(settings.digest_over))
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(())
    }
}

/// As much as the audit log may show: of senders only by which channels there are any.
fn shown(settings: &Settings) -> Value {
    let senders = |channel: &&Channel| settings.senders.of(**channel).is_some();
    json!({
        "quiet_hours": settings.quiet_hours, "language": settings.language, "tracking": settings.tracking,
        "time_zone": settings.zone().name(), "digest_over": settings.digest_over,
        "senders": Channel::ALL.iter().filter(senders).collect::<Vec<_>>(),
    })
}

/// By which channels somebody else writes from now on.
fn senders_changed(before: &Senders, after: &Senders) -> Value {
    let changed = |channel: &&Channel| before.of(**channel) != after.of(**channel);
    json!(Channel::ALL.iter().filter(changed).collect::<Vec<_>>())
}
