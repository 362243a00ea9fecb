//! Settings of a tenant: how it wants to send.

use chrono::{DateTime, Utc};
use domain::{Language, PersonalText, QuietHours, TenantId};

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

impl Default for Settings {
    fn default() -> Self {
        Self {
            quiet_hours: None,
            language: Language::English,
            tracking: true,
            senders: Senders::default(),
        }
    }
}

impl Store {
    /// How a tenant wants to send.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a sender was sealed under a key that is not in the keyring.
    pub async fn settings(&self, tenant: TenantId) -> Result<Settings, StoreError> {
        let _ = tenant;
        Err(crate::not_yet())
    }

    /// Writes down how a tenant wants to send.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone.
    pub async fn set_settings(
        &self,
        tenant: TenantId,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let _ = (tenant, settings, now);
        Err(crate::not_yet())
    }
}
