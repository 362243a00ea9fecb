#![doc = include_str!("../README.md")]

#[macro_use]
mod db;

mod absorb;
mod alert_notices;
mod alerts;
mod api_key_changes;
mod api_keys;
mod attempts;
mod audit_log;
mod begin_message;
mod bulk_actions;
mod bulk_fates;
mod bulk_letters;
mod by_ids;
mod circuits;
mod contacts;
mod credentials;
mod crossings;
mod dead_letter_edits;
mod delivery_daily;
mod end_attempt;
mod endpoints;
mod erased_rows;
mod erasure;
mod error;
mod inbound_messages;
mod installation_keys;
mod interaction_assign;
mod interaction_changes;
mod interaction_drafts;
mod interaction_edits;
mod interaction_inbox;
mod interaction_words;
mod interactions;
mod invitations;
mod kept_events;
mod lead_owner;
mod leads;
mod member_rows;
mod members;
mod message_events;
mod message_names;
mod message_requests;
mod message_state;
mod messages;
mod migrations;
mod open_messages;
mod otp_challenges;
mod page;
mod people;
mod recipient_hash;
mod record_email_event;
mod record_inbound;
mod record_report;
mod redeem;
mod reminder_marks;
mod reminders;
mod reseal;
mod retention;
mod routes;
mod score_changes;
mod score_decay;
mod score_rules;
mod sessions;
mod settings;
mod sign_in_links;
mod signature_failures;
mod suppressions;
mod templates;
mod tenants;
mod time;
mod traces;

#[cfg(test)]
mod plans;

pub use alert_notices::AlertNotice;
pub use alerts::{Alert, AlertMemory};
pub use api_key_changes::{ApiKeyRequest, NewApiKey};
pub use api_keys::ApiKey;
pub use attempts::{Attempt, AttemptBegun, NewAttempt};
pub use audit_log::{AuditEntry, AuditFilter, NewAuditEntry};
pub use begin_message::MessageBegun;
pub use bulk_actions::{BulkAction, NewBulkAction};
pub use bulk_fates::LetterFate;
pub use bulk_letters::{FailedLetter, LettersTakenUp, OpenLetters};
pub use circuits::{Circuit, Pass, Passage};
pub use credentials::{Credential, NewCredential, OpenCredential};
pub use crossings::Crossing;
pub use db::{ConnectOptions, Db};
pub use dead_letter_edits::DeadLetterEdit;
pub use delivery_daily::{DAYS_MAX, DeliveryRate};
pub use endpoints::Endpoint;
pub use erased_rows::MessageNamed;
pub use erasure::Erasure;
pub use error::StoreError;
pub use inbound_messages::{InboundMessage, Writer};
pub use interaction_assign::{ASSIGNED_AT_ONCE_MAX, Assigned, Which};
pub use interaction_changes::InteractionChange;
pub use interaction_drafts::{InteractionCreated, InteractionDraft, WithWhom};
pub use interaction_edits::{Editor, InteractionEdit, InteractionWritten};
pub use interaction_inbox::{Holder, InboxFilter, Planned};
pub use interactions::Interaction;
pub use invitations::Invitation;
pub use kept_events::KeptEvent;
pub use leads::{HotLead, LeadHistory, LedgerEntry, ReasonSum};
pub use members::{Member, MemberChange, MemberChanged, NewMember};
pub use message_events::MessageEvent;
pub use messages::{Message, MessageFilter};
pub use migrations::{PendingMigration, migrate, pending_migrations};
pub use open_messages::OpenMessage;
pub use otp_challenges::{ChallengeBegun, NewChallenge, StoredChallenge};
pub use page::{Cursor, Page};
pub use people::ScoreOf;
pub use record_email_event::{Applied, Recorded};
pub use record_inbound::{InboundApplied, InboundRecorded};
pub use record_report::{ReportApplied, ReportRecorded};
pub use reminders::{Reminded, ReminderBatch};
pub use reseal::{Place, Resealed, SealedColumn};
pub use retention::{ArchivedScores, PurgedSends, RetentionBefore, RetentionDue};
pub use score_decay::{DecayStep, ScorePlace};
pub use score_rules::{HotLeadHook, ScoreSettings};
pub use sessions::Session;
pub use settings::{Senders, Settings};
pub use sign_in_links::SignInLink;
pub use suppressions::{Suppressed, SuppressionFilter};
pub use templates::{Template, TemplateTexts};
pub use tenants::Tenant;

use seal::Keyring;

/// The database and the keys that what it holds is sealed under. Cheap to clone.
///
/// Every function takes the time from its caller and touches rows of one tenant only; a row of another tenant is the
/// same as no row.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    keyring: Keyring,
    address_keys: recipient_hash::AddressKeys,
    users_key: installation_keys::UsersKey,
}

impl Store {
    /// Puts the two together. Nothing is read or written yet.
    #[must_use]
    pub fn new(db: Db, keyring: Keyring) -> Self {
        Self {
            db,
            keyring,
            address_keys: Default::default(),
            users_key: Default::default(),
        }
    }

    /// The database below.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }
}
