//! Templates: what messages are written with. A version never changes once it is written.

use chrono::{DateTime, Utc};
use domain::{Language, TenantId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::word;
use crate::{Cursor, Page, Store, StoreError, time};

/// What a template says. Texts are not sealed: what is personal comes in by variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateTexts {
    /// Of a mail.
    pub subject: Option<String>,
    /// Plain text: an SMS, a WhatsApp message, a mail's alternative.
    pub text: Option<String>,
    /// A mail's HTML.
    pub html: Option<String>,
    /// What the provider calls a text that it keeps itself: Twilio's `ContentSid`.
    pub provider_content_id: Option<String>,
}

/// One version of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// The language it is written in.
    pub language: Language,
    /// Counted from 1 within name and language.
    pub version: u32,
    /// What it says.
    pub texts: TemplateTexts,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, language, version, subject, text, html, provider_content_id, created_at FROM templates
             WHERE ",
            $rest
        )
    };
}

const LATEST: &str = select!("tenant_id = $1 AND name = $2 AND language = $3 ORDER BY version DESC LIMIT 1");
const VERSION: &str = select!("tenant_id = $1 AND name = $2 AND language = $3 AND version = $4");

pub(crate) const CURRENT: &str = select!("superseded_at IS NULL AND tenant_id = ");
pub(crate) const VERSIONS: &str = select!("tenant_id = ");

/// The list's statement: each in its latest version, or all versions of one.
macro_rules! list {
    ($tenant:expr, $name:expr, $after:expr, $limit:expr) => {{
        let mut query = match $name {
            None => QueryBuilder::new($crate::templates::CURRENT),
            Some(_) => QueryBuilder::new($crate::templates::VERSIONS),
        };
        query.push_bind($tenant.0);
        if let Some(name) = $name {
            query.push(" AND name = ").push_bind(name);
        }
        $crate::page::push_newest_after!(query, "templates", $after, $limit);
        query
    }};
}
#[cfg(test)]
pub(crate) use list;

#[derive(FromRow)]
struct Row {
    id: Uuid,
    name: String,
    language: String,
    version: i64,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    provider_content_id: Option<String>,
    created_at: i64,
}

impl TryFrom<Row> for Template {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.name,
            language: word(&row.language, "an unknown language")?,
            version: u32::try_from(row.version).map_err(|_| StoreError::Corrupt("a version out of range".into()))?,
            texts: TemplateTexts {
                subject: row.subject,
                text: row.text,
                html: row.html,
                provider_content_id: row.provider_content_id,
            },
            created_at: time::at(row.created_at)?,
        })
    }
}

impl Store {
    /// Writes the next version of a template; if it says what the latest one says, answers that one.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone; [`StoreError::Constraint`] when it says nothing at all.
    pub async fn create_template(
        &self,
        tenant: TenantId,
        name: &str,
        language: Language,
        texts: &TemplateTexts,
        now: DateTime<Utc>,
    ) -> Result<Template, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(template_id(tenant, name, language, 0)).await?;
        let latest: Option<Row> = on!(tx.connection(), connection =>
            sqlx::query_as(LATEST)
                .bind(tenant.0)
                .bind(name)
                .bind(language.as_str())
                .fetch_optional(connection)
                .await)?;
        let latest = latest.map(Template::try_from).transpose()?;
        if let Some(latest) = latest.clone().filter(|latest| latest.texts == *texts) {
            tx.rollback().await?;
            return Ok(latest);
        }
        let template = Template {
            name: name.to_owned(),
            language,
            version: latest.map_or(0, |latest| latest.version) + 1,
            texts: texts.clone(),
            created_at: time::stored(now),
        };
        insert(&mut tx, tenant, &template).await?;
        tx.commit().await?;
        Ok(template)
    }

    /// One version of a template, the latest if none is named.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn template(
        &self,
        tenant: TenantId,
        name: &str,
        language: Language,
        version: Option<u32>,
    ) -> Result<Option<Template>, StoreError> {
        let row: Option<Row> = match version {
            None => on!(self.db.reader(), pool =>
                sqlx::query_as(LATEST)
                    .bind(tenant.0)
                    .bind(name)
                    .bind(language.as_str())
                    .fetch_optional(pool)
                    .await)?,
            Some(version) => on!(self.db.reader(), pool =>
                sqlx::query_as(VERSION)
                    .bind(tenant.0)
                    .bind(name)
                    .bind(language.as_str())
                    .bind(i64::from(version))
                    .fetch_optional(pool)
                    .await)?,
        };
        row.map(Template::try_from).transpose()
    }

    /// The latest version of each of a tenant's templates, or with a name all versions of that one; newest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn templates(
        &self,
        tenant: TenantId,
        name: Option<&str>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Template>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = list!(tenant, name, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let items = rows
            .into_iter()
            .map(|row| Ok((row.id, Template::try_from(row)?)))
            .collect::<Result<_, StoreError>>()?;
        let page = Page::of(items, limit, |(id, item): &(Uuid, Template)| Cursor {
            at: item.created_at,
            id: *id,
        });
        Ok(page.map(|(_, item)| item))
    }
}

async fn insert(tx: &mut Tx, tenant: TenantId, template: &Template) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "UPDATE templates SET superseded_at = $4
             WHERE tenant_id = $1 AND name = $2 AND language = $3 AND superseded_at IS NULL")
            .bind(tenant.0)
            .bind(&template.name)
            .bind(template.language.as_str())
            .bind(template.created_at.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO templates
                 (id, tenant_id, name, language, version, subject, text, html, provider_content_id, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(template_id(tenant, &template.name, template.language, template.version))
            .bind(tenant.0)
            .bind(&template.name)
            .bind(template.language.as_str())
            .bind(i64::from(template.version))
            .bind(&template.texts.subject)
            .bind(&template.texts.text)
            .bind(&template.texts.html)
            .bind(&template.texts.provider_content_id)
            .bind(template.created_at.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

/// A row's id follows from what makes it unique.
fn template_id(tenant: TenantId, name: &str, language: Language, version: u32) -> Uuid {
    Uuid::new_v5(&tenant.0, format!("template:{language}:{version}:{name}").as_bytes())
}
