//! `relais tenant`.

mod remove;

use anyhow::{Context as _, bail, ensure};
use chrono::Utc;
use clap::{Args, Subcommand};
use domain::{Channel, Language, PersonalText, QuietHours, Role, TenantId};
use jobs::sending::check_sender;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::answer::{Answer, table};
use super::who;
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

const NAME_CHARACTERS_MAX: usize = 200;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a tenant, and a first API key with the role `owner`, which is shown once.
    ///
    /// Example: relais tenant create "Acme Ltd"
    Create {
        /// Its name, which no other tenant has.
        name: String,
    },
    /// List all tenants.
    List,
    /// Remove a tenant with all it has: rows, jobs, dead letters, and the people who work for nobody else. For good.
    ///
    /// Without --yes it only says what would be removed, with exit status 1.
    ///
    /// Example: relais tenant remove 0195… --yes --by ann
    Remove {
        /// Which tenant.
        #[arg(value_name = "ID")]
        tenant: TenantId,
        /// Yes, remove it.
        #[arg(long)]
        yes: bool,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// Say how a tenant wants to send. What is not given stays as it is.
    ///
    /// Example: relais tenant set 0195… --from-sms +33612345678 --quiet-hours 21:00-08:00 --time-zone Europe/Paris
    Set(Set),
}

#[derive(Args)]
pub(super) struct Set {
    /// Which tenant.
    #[arg(value_name = "ID")]
    tenant: TenantId,
    /// When people are left alone, `21:00-08:00`; `none` ends them.
    #[arg(long, value_name = "FROM-TO")]
    quiet_hours: Option<String>,
    /// Whose clock quiet hours are about; UTC until one is given.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The language of what says none: en or fr.
    #[arg(long)]
    language: Option<Language>,
    /// Whether opens and clicks of its mail are followed.
    #[arg(long, value_name = "BOOL")]
    tracking: Option<bool>,
    /// Whom its mail comes from: an address or `Name <address>`; empty for nobody in particular.
    #[arg(long, value_name = "TEXT")]
    from_email: Option<String>,
    /// Whom its text messages come from: a number or a messaging service.
    #[arg(long, value_name = "TEXT")]
    from_sms: Option<String>,
    /// Whom its WhatsApp messages come from: a number or a messaging service.
    #[arg(long, value_name = "TEXT")]
    from_whatsapp: Option<String>,
}

/// The quiet hours that a tenant has from now on: what is not given stays as it is.
fn quiet_hours(now: Option<QuietHours>, span: Option<&str>, zone: Option<&str>) -> anyhow::Result<Option<QuietHours>> {
    let zone = zone.or(now.as_ref().map(QuietHours::zone));
    match (span, now, zone) {
        (Some("none"), ..) => Ok(None),
        (Some(span), _, zone) => {
            let (from, to) = span.split_once('-').context("quiet hours are written 21:00-08:00")?;
            Ok(Some(QuietHours::parse(from.trim(), to.trim(), zone.unwrap_or("UTC"))?))
        }
        (None, Some(now), Some(zone)) => Ok(Some(now.in_zone(zone)?)),
        (None, None, Some(_)) => bail!("--time-zone is about quiet hours, and there are none: give --quiet-hours, too"),
        (None, _, None) => Ok(now),
    }
}

async fn set(set: Set, store: &store::Store) -> anyhow::Result<Answer> {
    let mut settings = store.settings(set.tenant).await?;
    settings.quiet_hours = quiet_hours(
        settings.quiet_hours,
        set.quiet_hours.as_deref(),
        set.time_zone.as_deref(),
    )?;
    settings.language = set.language.unwrap_or(settings.language);
    settings.tracking = set.tracking.unwrap_or(settings.tracking);
    for &channel in Channel::ALL {
        let (option, given) = match channel {
            Channel::Email => ("--from-email", set.from_email.as_deref()),
            Channel::Sms => ("--from-sms", set.from_sms.as_deref()),
            Channel::Whatsapp => ("--from-whatsapp", set.from_whatsapp.as_deref()),
        };
        let Some(given) = given else { continue };
        if !given.is_empty() {
            check_sender(channel, given).map_err(|error| anyhow::anyhow!("{option} cannot be used: {error}"))?;
        }
        *settings.senders.of_mut(channel) = (!given.is_empty()).then(|| PersonalText::new(given));
    }
    let kept = store.set_settings(set.tenant, &settings, Utc::now()).await;
    kept.map_err(|error| unknown_tenant(error, set.tenant))?;
    let json = json!({
        "id": set.tenant, "quiet_hours": settings.quiet_hours, "language": settings.language,
        "tracking": settings.tracking,
    });
    Ok(Answer::new(
        json,
        format!("Tenant {} sends like this from now on.", set.tenant),
    ))
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::Create { name } => {
            let name = name.trim();
            ensure!(!name.is_empty(), "a tenant needs a name");
            ensure!(
                name.chars().count() <= NAME_CHARACTERS_MAX,
                "a name has at most {NAME_CHARACTERS_MAX} characters"
            );
            let tenant = store.create_tenant(name, Utc::now()).await?;
            let key = store
                .create_api_key(tenant.id, Role::Owner, &who::author(None)?, Utc::now())
                .await?;
            let (id, key) = (tenant.id, key.clear.expose_secret());
            let words = format!("Tenant   {id}\nAPI key  {key}   (shown only now)");
            Ok(Answer::new(
                json!({ "id": id, "name": tenant.name, "api_key": key }),
                words,
            ))
        }
        Command::Set(arguments) => set(arguments, &store).await,
        Command::Remove { tenant, yes, by } => remove::run(tenant, yes, &who::author(by)?, settings).await,
        Command::List => {
            let tenants = store.tenants().await?;
            let created = |tenant: &store::Tenant| rfc3339(tenant.created_at.timestamp_millis());
            let items: Vec<_> = tenants
                .iter()
                .map(|tenant| json!({ "id": tenant.id, "name": tenant.name, "created_at": created(tenant) }))
                .collect();
            let rows: Vec<_> = tenants
                .iter()
                .map(|tenant| [tenant.id.to_string(), tenant.name.clone(), created(tenant)])
                .collect();
            Ok(Answer::new(
                json!({ "items": items, "next_cursor": null }),
                table(["ID", "NAME", "CREATED"], &rows),
            ))
        }
    }
}

/// Says which row was missing, where it can only have been the tenant's.
pub(super) fn unknown_tenant(error: store::StoreError, tenant: TenantId) -> anyhow::Error {
    match error {
        store::StoreError::Missing => anyhow::anyhow!("there is no tenant {tenant}; `relais tenant list` shows all"),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_not_given_of_quiet_hours_stays_as_it_is() {
        let paris = QuietHours::parse("21:00", "08:00", "Europe/Paris").unwrap();
        let set = |now, span, zone| quiet_hours(now, span, zone).unwrap();
        assert_eq!(set(Some(paris), None, None), Some(paris));
        let longer = QuietHours::parse("20:00", "09:00", "Europe/Paris").unwrap();
        assert_eq!(set(Some(paris), Some("20:00-09:00"), None), Some(longer));
        let madrid = QuietHours::parse("21:00", "08:00", "Europe/Madrid").unwrap();
        assert_eq!(set(Some(paris), None, Some("Europe/Madrid")), Some(madrid));
        assert_eq!(set(Some(paris), Some("none"), None), None);
        let utc = QuietHours::parse("21:00", "08:00", "UTC").unwrap();
        assert_eq!(set(None, Some("21:00-08:00"), None), Some(utc));
        assert!(quiet_hours(None, None, Some("Europe/Paris")).is_err());
        assert!(quiet_hours(Some(paris), None, Some("Mars/X")).is_err());
    }
}
