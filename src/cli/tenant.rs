//! `relais tenant`.

mod remove;

use anyhow::{Context as _, ensure};
use chrono::Utc;
use clap::{ArgGroup, Args, Subcommand};
use domain::interaction::reminder::DIGEST_OVER_MAX;
use domain::{Channel, Language, PersonalText, QuietError, QuietHours, Role, TenantId};
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
#[command(group(ArgGroup::new("wish").required(true).multiple(true)))]
pub(super) struct Set {
    /// Which tenant.
    #[arg(value_name = "ID")]
    tenant: TenantId,
    /// When people are left alone, `21:00-08:00`; `none` ends them.
    #[arg(long, group = "wish", value_name = "FROM-TO")]
    quiet_hours: Option<String>,
    /// Whose clock days and quiet hours are of: Europe/Paris.
    #[arg(long, group = "wish", value_name = "ZONE")]
    time_zone: Option<String>,
    /// More reminders of overdue work than this come in one message, 0 to 20.
    #[arg(long, group = "wish", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=i64::from(DIGEST_OVER_MAX)))]
    digest_over: Option<u32>,
    /// The language of what says none: en or fr.
    #[arg(long, group = "wish")]
    language: Option<Language>,
    /// Whether opens and clicks of its mail are followed.
    #[arg(long, group = "wish", value_name = "BOOL")]
    tracking: Option<bool>,
    /// Whom its mail comes from: an address or `Name <address>`; empty for nobody in particular.
    #[arg(long, group = "wish", value_name = "TEXT")]
    from_email: Option<String>,
    /// Whom its text messages come from: a number, a messaging service, or a name that nobody can answer.
    #[arg(long, group = "wish", value_name = "TEXT")]
    from_sms: Option<String>,
    /// Whom its WhatsApp messages come from: a number or a messaging service.
    #[arg(long, group = "wish", value_name = "TEXT")]
    from_whatsapp: Option<String>,
    /// Who asks; kept in the audit log.
    #[arg(long)]
    by: Option<String>,
}

/// Has a tenant's days and quiet hours go by another clock.
fn move_to(zone: &str, settings: &mut store::Settings) -> Result<(), QuietError> {
    let zone = zone.parse().map_err(|_| QuietError::Zone)?;
    settings.time_zone = Some(zone);
    settings.quiet_hours = settings.quiet_hours.map(|hours| hours.in_zone(zone));
    Ok(())
}

/// The quiet hours of this span, by the tenant's clock.
fn quiet_hours(span: &str, settings: &store::Settings) -> anyhow::Result<Option<QuietHours>> {
    if span == "none" {
        return Ok(None);
    }
    let (from, to) = span.split_once('-').context("quiet hours are written 21:00-08:00")?;
    let hours = QuietHours::parse(from.trim(), to.trim(), settings.zone().name())?;
    Ok(Some(hours))
}

async fn set(set: Set, store: &store::Store) -> anyhow::Result<Answer> {
    let (tenant, author) = (set.tenant, who::author(set.by.clone())?);
    let changed = store
        .change_settings(tenant, |before| change(before, &set), &author, Utc::now())
        .await;
    let settings = changed.map_err(|error| of_tenant(error, tenant))?;
    let json = json!({
        "id": tenant, "quiet_hours": settings.quiet_hours, "language": settings.language,
        "tracking": settings.tracking, "time_zone": settings.zone().name(), "digest_over": settings.digest_over,
    });
    Ok(Answer::new(
        json,
        format!("Tenant {tenant} sends like this from now on."),
    ))
}

/// What there is to be.
fn change(mut settings: store::Settings, set: &Set) -> anyhow::Result<store::Settings> {
    if let Some(zone) = &set.time_zone {
        move_to(zone, &mut settings).context("--time-zone")?;
    }
    if let Some(span) = &set.quiet_hours {
        settings.quiet_hours = quiet_hours(span, &settings).context("--quiet-hours")?;
    }
    settings.digest_over = set.digest_over.unwrap_or(settings.digest_over);
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
    Ok(settings)
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

/// As [`unknown_tenant`], of what a change answers.
pub(super) fn of_tenant(error: anyhow::Error, tenant: TenantId) -> anyhow::Error {
    match error.downcast::<store::StoreError>() {
        Ok(error) => unknown_tenant(error, tenant),
        Err(other) => other,
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

    fn paris() -> store::Settings {
        store::Settings {
            quiet_hours: Some(QuietHours::parse("21:00", "08:00", "Europe/Paris").unwrap()),
            ..Default::default()
        }
    }

    #[test]
    fn quiet_hours_keep_the_clock_and_a_clock_keeps_the_quiet_hours() {
        let check = |settings: &store::Settings, span, expected: Option<(&str, &str, &str)>| {
            let expected = expected.map(|(from, to, zone)| QuietHours::parse(from, to, zone).unwrap());
            assert_eq!(quiet_hours(span, settings).unwrap(), expected);
        };
        check(&paris(), "20:00-09:00", Some(("20:00", "09:00", "Europe/Paris")));
        check(&paris(), "none", None);
        check(&Default::default(), "20:00 - 09:00", Some(("20:00", "09:00", "UTC")));
        assert!(quiet_hours("20:00", &paris()).is_err());

        let mut madrid = paris();
        move_to("Europe/Madrid", &mut madrid).unwrap();
        assert_eq!(
            madrid.quiet_hours,
            Some(QuietHours::parse("21:00", "08:00", "Europe/Madrid").unwrap())
        );
        check(&madrid, "22:00-07:00", Some(("22:00", "07:00", "Europe/Madrid")));
        madrid.quiet_hours = None;
        assert_eq!(madrid.zone().name(), "Europe/Madrid", "days stay by that clock");
        assert_eq!(move_to("Mars/X", &mut madrid), Err(QuietError::Zone));
    }
}
