//! Templates: what messages are written with. A version never changes once it is written.

use chrono::{DateTime, Utc};
use domain::{Language, TenantId};

use crate::{Cursor, Page, Store, StoreError};

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
        let _ = (tenant, name, language, texts, now);
        Err(crate::not_yet())
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
        let _ = (tenant, name, language, version);
        Err(crate::not_yet())
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
        let _ = (tenant, name, after, limit);
        Err(crate::not_yet())
    }
}
