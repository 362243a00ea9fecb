//! By which rules a tenant's scores change, and where its hot leads are told.

use chrono::{DateTime, Utc};
use domain::scoring::{Decay, ScoreRules, Week, Weights, decay};
use domain::{AuditAction, Author, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sqlx::FromRow;
use url::Url;

use crate::audit_log::{self, NewAuditEntry};
use crate::messages::text;
use crate::tenants::context;
use crate::{Store, StoreError};

/// Where hot leads are told. Both may hold what is secret.
#[derive(Debug, Clone)]
pub struct HotLeadHook {
    /// The address.
    pub url: SecretString,
    /// What is told is signed with this, by Standard Webhooks.
    pub secret: SecretString,
}

/// How a tenant's scores change, and who is told. What it never said is as in [`Default`].
#[derive(Debug, Clone, Default)]
pub struct ScoreSettings {
    /// By which rules they change.
    pub rules: ScoreRules,
    /// Where hot leads are told, if anywhere.
    pub hook: Option<HotLeadHook>,
}

/// The columns of the rules, of a table named `rules` that may have no row.
macro_rules! rule_columns {
    () => {
        "rules.first_open, rules.repeated_open, rules.first_click, rules.repeated_click, rules.bounce, rules.decay_percent,
         rules.decay_since, rules.hot_from"
    };
}
pub(crate) use rule_columns;

/// The rules as they are stored, if they are.
#[derive(FromRow)]
pub(crate) struct RulesRow {
    first_open: Option<i64>,
    repeated_open: Option<i64>,
    first_click: Option<i64>,
    repeated_click: Option<i64>,
    bounce: Option<i64>,
    decay_percent: Option<i64>,
    decay_since: Option<i64>,
    hot_from: Option<i64>,
}

/// A tenant's rules, and since when they take what goes with the weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RulesInForce {
    pub(crate) rules: ScoreRules,
    /// The week in which the share that goes with every week was said. What was never said goes for all of them.
    decay_since: Week,
}

impl RulesInForce {
    /// What is left now of a score of which `decayed` is the last week that took its share, if that is known.
    pub(crate) fn left(&self, score: i64, decayed: Option<Week>, now: DateTime<Utc>) -> i64 {
        let weeks = decay::weeks_due(decayed, self.decay_since, Week::of(now));
        self.rules.decay.after(score, weeks)
    }
}

impl RulesRow {
    pub(crate) fn in_force(&self) -> RulesInForce {
        let usual = Weights::default();
        let rules = ScoreRules {
            weights: Weights {
                first_open: self.first_open.unwrap_or(usual.first_open),
                repeated_open: self.repeated_open.unwrap_or(usual.repeated_open),
                first_click: self.first_click.unwrap_or(usual.first_click),
                repeated_click: self.repeated_click.unwrap_or(usual.repeated_click),
                bounce: self.bounce.unwrap_or(usual.bounce),
            },
            decay: self
                .decay_percent
                .map_or_else(Decay::default, |percent| Decay { percent }),
            hot_from: self.hot_from,
        };
        RulesInForce {
            rules,
            decay_since: Week(self.decay_since.unwrap_or(0)),
        }
    }
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    rules: RulesRow,
    hook_url: Option<Vec<u8>>,
    hook_secret: Option<Vec<u8>>,
}

const SELECT: &str = concat!(
    "SELECT ",
    rule_columns!(),
    ", rules.hook_url, rules.hook_secret FROM score_rules rules WHERE rules.tenant_id = $1"
);
const URL: &str = "score_rules.hook_url";
const SECRET: &str = "score_rules.hook_secret";

impl Store {
    /// How a tenant's scores change.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when what is secret was sealed under a key that is not in the keyring.
    pub async fn score_settings(&self, tenant: TenantId) -> Result<ScoreSettings, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(SELECT).bind(tenant.0).fetch_optional(pool).await)?;
        row.map_or_else(
            || Ok(ScoreSettings::default()),
            |row| self.open_score_settings(tenant, row),
        )
    }

    /// Changes how a tenant's scores change, from now on: points that were given stay given. `change` gets what there is and
    /// answers what is to be, or why not; of two that change at once, the later one gets what the first one left.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone; whatever `change` answers.
    pub async fn change_score_settings<E: From<StoreError>>(
        &self,
        tenant: TenantId,
        change: impl FnOnce(ScoreSettings) -> Result<ScoreSettings, E>,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<ScoreSettings, E> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(tenant.0).await?;
        let row: Option<Row> = on!(tx.connection(), connection =>
            sqlx::query_as(SELECT).bind(tenant.0).fetch_optional(connection).await)
        .map_err(StoreError::from)?;
        let since = row.as_ref().map_or(Week(0), |row| row.rules.in_force().decay_since);
        let before = row.map_or_else(
            || Ok(ScoreSettings::default()),
            |row| self.open_score_settings(tenant, row),
        )?;
        let after = change(before.clone())?;
        let is_same_share = before.rules.decay == after.rules.decay;
        let since = if is_same_share { since } else { Week::of(now) };
        let sealed = |column, clear: Option<&SecretString>| {
            clear.map(|clear| {
                self.keyring
                    .seal(&context(column, tenant.0), clear.expose_secret().as_bytes())
            })
        };
        let (rules, weights) = (after.rules, after.rules.weights);
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO score_rules
                     (tenant_id, first_open, repeated_open, first_click, repeated_click, bounce, decay_percent, decay_since,
                      hot_from, hook_url, hook_secret, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                 ON CONFLICT (tenant_id) DO UPDATE SET
                     first_open = excluded.first_open, repeated_open = excluded.repeated_open,
                     first_click = excluded.first_click, repeated_click = excluded.repeated_click,
                     bounce = excluded.bounce, decay_percent = excluded.decay_percent, decay_since = excluded.decay_since,
                     hot_from = excluded.hot_from, hook_url = excluded.hook_url, hook_secret = excluded.hook_secret,
                     updated_at = excluded.updated_at")
                .bind(tenant.0)
                .bind(weights.first_open)
                .bind(weights.repeated_open)
                .bind(weights.first_click)
                .bind(weights.repeated_click)
                .bind(weights.bounce)
                .bind(rules.decay.percent)
                .bind(since.0)
                .bind(rules.hot_from)
                .bind(sealed(URL, after.hook.as_ref().map(|hook| &hook.url)))
                .bind(sealed(SECRET, after.hook.as_ref().map(|hook| &hook.secret)))
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))
        .map_err(StoreError::from)?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::ScoringChanged, tenant);
        let mut now_shown = shown(&after);
        if let Value::Object(fields) = &mut now_shown {
            fields.extend(changes_of_hook(before.hook.as_ref(), after.hook.as_ref()));
        }
        audit_log::write(&mut tx, &entry.changed(shown(&before), now_shown), now).await?;
        tx.commit().await?;
        Ok(after)
    }

    fn open_score_settings(&self, tenant: TenantId, row: Row) -> Result<ScoreSettings, StoreError> {
        let open = |column, sealed| {
            let clear = text(&self.keyring, column, tenant.0, sealed)?;
            Ok::<_, StoreError>(clear.map(SecretString::from))
        };
        let (url, secret) = (open(URL, row.hook_url)?, open(SECRET, row.hook_secret)?);
        Ok(ScoreSettings {
            rules: row.rules.in_force().rules,
            hook: url.zip(secret).map(|(url, secret)| HotLeadHook { url, secret }),
        })
    }
}

/// As much as the audit log may show. An address may hold what is secret behind its host.
fn shown(settings: &ScoreSettings) -> Value {
    let host = |hook: &HotLeadHook| Some(Url::parse(hook.url.expose_secret()).ok()?.host_str()?.to_owned());
    json!({
        "weights": settings.rules.weights, "decay_percent": settings.rules.decay, "hot_from": settings.rules.hot_from,
        "webhook_host": settings.hook.as_ref().and_then(host),
    })
}

/// What changed of that which may not be shown.
fn changes_of_hook(before: Option<&HotLeadHook>, after: Option<&HotLeadHook>) -> [(String, Value); 2] {
    let parts = |hook: Option<&HotLeadHook>| {
        let clear = |secret: &SecretString| secret.expose_secret().to_owned();
        hook.map(|hook| (clear(&hook.url), clear(&hook.secret))).unzip()
    };
    let (url_before, secret_before): (Option<String>, Option<String>) = parts(before);
    let (url, secret) = parts(after);
    [
        ("webhook_changed".to_owned(), json!(url != url_before)),
        ("webhook_secret_changed".to_owned(), json!(secret != secret_before)),
    ]
}
