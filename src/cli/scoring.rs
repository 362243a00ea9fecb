//! `relais scoring`.

use anyhow::{Context as _, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use clap::{ArgGroup, Args, Subcommand};
use domain::TenantId;
use domain::scoring::{ScoreRules, UnusableRule};
use jobs::hooks::{SECRET_BYTES, may_be_told, may_sign};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use store::{HotLeadHook, ScoreSettings, StoreError};

use super::answer::{Answer, or_dash, table};
use super::tenant::{of_tenant, unknown_tenant};
use super::{secret, who};
use crate::config::Settings;
use crate::connect;

/// How many random bytes a secret of our making has.
const MADE_BYTES: usize = 32;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show by which rules a tenant's scores change.
    Show {
        /// Whose.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
    },
    /// Change them. What is not given stays as it is, and points that were given stay given.
    ///
    /// Example: relais scoring set --tenant 0195… --first-click 10 --decay 5 --hot-from 25 --webhook
    /// https://crm.example.com/leads
    Set(Set),
}

#[derive(Args)]
#[command(group(ArgGroup::new("rule").required(true).multiple(true)))]
pub(super) struct Set {
    /// Whose.
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// Points of a message's first open: 0 to 1000.
    #[arg(long, group = "rule", value_name = "POINTS", allow_negative_numbers = true)]
    first_open: Option<i64>,
    /// Points of each further open: 0 to 1000.
    #[arg(long, group = "rule", value_name = "POINTS", allow_negative_numbers = true)]
    repeated_open: Option<i64>,
    /// Points of a message's first click: 0 to 1000.
    #[arg(long, group = "rule", value_name = "POINTS", allow_negative_numbers = true)]
    first_click: Option<i64>,
    /// Points of each further click: 0 to 1000.
    #[arg(long, group = "rule", value_name = "POINTS", allow_negative_numbers = true)]
    repeated_click: Option<i64>,
    /// Points of a message that came back: -1000 to 0.
    #[arg(long, group = "rule", value_name = "POINTS", allow_negative_numbers = true)]
    bounce: Option<i64>,
    /// The share of a score that goes with every week, in percent: 0 to 100.
    #[arg(long, group = "rule", value_name = "PERCENT", allow_negative_numbers = true)]
    decay: Option<i64>,
    /// From which score on a lead is hot, and follow-up work is created and its webhook posted; `none`: none is.
    #[arg(long, group = "rule", value_name = "SCORE", allow_negative_numbers = true)]
    hot_from: Option<String>,
    /// Where hot leads are told: an https address; `none`: nowhere.
    #[arg(long, group = "rule", value_name = "URL")]
    webhook: Option<String>,
    /// What webhooks are signed with: `whsec_` and the base64 of 24 to 64 bytes; `-` reads it from standard input. Without it,
    /// a new address gets a new secret, which is shown once.
    #[arg(long, group = "rule", value_name = "SECRET")]
    webhook_secret: Option<String>,
    /// Who asks; kept in the audit log.
    #[arg(long)]
    by: Option<String>,
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::Show { tenant } => {
            let known = store.tenant(tenant).await?;
            known.ok_or_else(|| unknown_tenant(StoreError::Missing, tenant))?;
            Ok(shown(tenant, &store.score_settings(tenant).await?))
        }
        Command::Set(set) => {
            let (tenant, author) = (set.tenant, who::author(set.by.clone())?);
            let set = Set {
                webhook_secret: set.webhook_secret.map(secret::read).transpose()?,
                ..set
            };
            let mut made = None;
            let change = |before| change(before, set, &mut made);
            let changed = store.change_score_settings(tenant, change, &author, Utc::now()).await;
            let changed = changed.map_err(|error| of_tenant(error, tenant))?;
            let answer = shown(tenant, &changed);
            Ok(match made {
                Some(secret) => {
                    let secret: &str = secret.expose_secret();
                    let words = format!("\nSecret  {secret}   (shown only now)");
                    answer.and("webhook_secret", json!(secret), &words)
                }
                None => answer,
            })
        }
    }
}

/// What there is to be. A secret that is made here is put into `made`.
fn change(before: ScoreSettings, set: Set, made: &mut Option<SecretString>) -> anyhow::Result<ScoreSettings> {
    let ScoreSettings { mut rules, hook } = before;
    for (rule, given) in [
        (&mut rules.weights.first_open, set.first_open),
        (&mut rules.weights.repeated_open, set.repeated_open),
        (&mut rules.weights.first_click, set.first_click),
        (&mut rules.weights.repeated_click, set.repeated_click),
        (&mut rules.weights.bounce, set.bounce),
        (&mut rules.decay.percent, set.decay),
    ] {
        *rule = given.unwrap_or(*rule);
    }
    rules.hot_from = hot_from(rules.hot_from, set.hot_from.as_deref())?;
    rules.check().map_err(by_option)?;
    let hook = change_hook(hook, set.webhook, set.webhook_secret, made)?;
    Ok(ScoreSettings { rules, hook })
}

/// A rule's fault, by the name of its option.
fn by_option(UnusableRule { rule, least, most }: UnusableRule) -> anyhow::Error {
    let option = match rule {
        "decay_percent" => "decay".to_owned(),
        rule => rule.replace('_', "-"),
    };
    anyhow!("--{option} must be a whole number from {least} to {most}")
}

fn hot_from(before: Option<i64>, given: Option<&str>) -> anyhow::Result<Option<i64>> {
    match given {
        None => Ok(before),
        Some("none") => Ok(None),
        Some(score) => Ok(Some(score.parse().context("--hot-from is a whole number or `none`")?)),
    }
}

fn change_hook(
    before: Option<HotLeadHook>,
    url: Option<String>,
    secret: Option<String>,
    made: &mut Option<SecretString>,
) -> anyhow::Result<Option<HotLeadHook>> {
    if let Some(url) = url.as_deref().filter(|url| *url != "none") {
        ensure!(
            may_be_told(url),
            "--webhook is an https address on the public internet, without user and password"
        );
    }
    let secret = secret.map(SecretString::from);
    if let Some(secret) = &secret {
        ensure!(
            may_sign(secret),
            "--webhook-secret is `whsec_` and the base64 of {} to {} bytes",
            SECRET_BYTES.start(),
            SECRET_BYTES.end()
        );
    }
    Ok(match (before, url, secret) {
        (_, Some(url), None) if url == "none" => None,
        (_, Some(url), Some(_)) if url == "none" => bail!("--webhook-secret goes with an address"),
        // Naming an address again is no reason for those behind it to refuse everything.
        (Some(before), Some(url), None) if before.url.expose_secret() == url => Some(before),
        (_, Some(url), secret) => Some(HotLeadHook {
            url: url.into(),
            secret: secret.unwrap_or_else(|| made.insert(new_secret()).clone()),
        }),
        (Some(before), None, Some(secret)) => Some(HotLeadHook { secret, ..before }),
        (None, None, Some(_)) => bail!("--webhook-secret goes with --webhook"),
        (before, None, None) => before,
    })
}

fn new_secret() -> SecretString {
    let bytes = rand::random::<[u8; MADE_BYTES]>();
    format!("whsec_{}", STANDARD.encode(bytes)).into()
}

fn shown(tenant: TenantId, settings: &ScoreSettings) -> Answer {
    let ScoreRules {
        weights,
        decay,
        hot_from,
    } = settings.rules;
    let webhook = settings.hook.as_ref().map(|hook| hook.url.expose_secret());
    let json = json!({
        "tenant": tenant, "weights": weights, "decay_percent": decay.percent, "hot_from": hot_from, "webhook": webhook,
    });
    let rows = [
        ("first open", Some(weights.first_open.to_string())),
        ("repeated open", Some(weights.repeated_open.to_string())),
        ("first click", Some(weights.first_click.to_string())),
        ("repeated click", Some(weights.repeated_click.to_string())),
        ("bounce", Some(weights.bounce.to_string())),
        ("goes with a week", Some(format!("{} %", decay.percent))),
        ("hot from", hot_from.map(|score| score.to_string())),
        ("webhook", webhook.map(str::to_owned)),
    ];
    let rows = rows.map(|(rule, value)| [rule.to_owned(), or_dash(value)]);
    Answer::new(json, table(["RULE", "IS"], &rows))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NEW: &str = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3";

    fn old_secret() -> String {
        format!("whsec_{}", STANDARD.encode([1; MADE_BYTES]))
    }

    fn hook(before: Option<&str>, url: Option<&str>, secret: Option<&str>) -> anyhow::Result<Option<(String, bool)>> {
        let before = before.map(|url| HotLeadHook {
            url: url.into(),
            secret: old_secret().into(),
        });
        let mut made = None;
        let after = change_hook(before, url.map(Into::into), secret.map(Into::into), &mut made)?;
        Ok(after.map(|after| (after.url.expose_secret().to_owned(), made.is_some())))
    }

    #[test]
    fn a_new_address_gets_a_new_secret_unless_one_is_given_and_an_inner_address_is_refused() {
        let (one, two) = ("https://one.example.com/x", "https://two.example.com/x");
        assert_eq!(hook(None, Some(one), None).unwrap(), Some((one.into(), true)));
        assert_eq!(hook(Some(one), Some(two), None).unwrap(), Some((two.into(), true)));
        assert_eq!(
            hook(Some(one), Some(two), Some(NEW)).unwrap(),
            Some((two.into(), false))
        );
        assert_eq!(hook(Some(one), None, Some(NEW)).unwrap(), Some((one.into(), false)));
        assert_eq!(hook(Some(one), None, None).unwrap(), Some((one.into(), false)));
        assert_eq!(
            hook(Some(one), Some(one), None).unwrap(),
            Some((one.into(), false)),
            "the same address keeps its secret"
        );
        assert_eq!(hook(Some(one), Some("none"), None).unwrap(), None);
        for (url, secret) in [
            (Some("http://one.example.com"), None),
            (Some("https://10.0.0.1/"), None),
            (Some("https://localhost./"), None),
            (Some("https://foo.localhost/"), None),
            (Some(one), Some("whpk_AAAA")),
            (Some(one), Some("whsec_YQ==")),
            (None, Some(NEW)),
            (Some("none"), Some(NEW)),
        ] {
            assert!(hook(None, url, secret).is_err(), "{url:?} {secret:?}");
        }
    }

    #[test]
    fn a_threshold_is_a_number_or_none() {
        assert_eq!(hot_from(Some(5), None).unwrap(), Some(5));
        assert_eq!(hot_from(Some(5), Some("none")).unwrap(), None);
        assert_eq!(hot_from(None, Some("20")).unwrap(), Some(20));
        assert!(hot_from(None, Some("hot")).is_err());
    }
}
