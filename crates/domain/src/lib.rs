#![doc = include_str!("../README.md")]

#[macro_use]
mod stored;
mod words;

pub mod actor;
pub mod alert;
pub mod api_key;
pub mod audit;
pub mod bulk;
pub mod channel;
pub mod circuit;
pub mod delivery;
pub mod email_event;
pub mod ids;
pub mod inbound;
pub mod interaction;
pub mod masking;
pub mod member;
pub mod otp;
pub mod outgoing;
pub mod phone;
pub mod quiet;
pub mod replies;
pub mod report;
pub mod retention;
pub mod role;
pub mod scoring;
pub mod sign_in;
pub mod suppression;
pub mod token;
pub mod traces;

pub use actor::{Actor, Author, OperatorName, Origin};
pub use alert::{AlertChange, AlertRule};
pub use api_key::ApiKeyFault;
pub use audit::AuditAction;
pub use bulk::{BulkAct, BulkNext, BulkProgress, BulkState};
pub use channel::{Channel, Language};
pub use circuit::CircuitState;
pub use delivery::{EmailEvent, Progress, Status, TextEvent};
pub use email_event::EmailEventRecord;
pub use ids::{
    AlertId, ApiKeyId, AuditId, BulkActionId, ChallengeId, ContactId, CredentialId, CrossingId, EndpointId, EventId,
    InboundId, InteractionId, InvitationId, MessageId, SessionId, SignInLinkId, TenantId, UserId,
};
pub use inbound::InboundRecord;
pub use masking::{EmailAddress, Masker, PersonalText};
pub use member::{MemberRefusal, Notify, NotifyError};
pub use otp::{Challenge, Code, CodeError, CodeKey, Verdict};
pub use outgoing::{
    AttemptResult, AttemptState, Fingerprint, MessageClass, MessageEnd, OutgoingRecord, Recipient, TemplateVersion,
};
pub use phone::{E164, PhoneError};
pub use quiet::{QuietError, QuietHours};
pub use replies::Intent;
pub use report::{EventKind, Figure, Figures, Permanence, ReportRecord};
pub use role::{Act, Role};
pub use scoring::ScoreRules;
pub use stored::UnknownWord;
pub use suppression::{FailureCause, Lift, Suppression};
pub use token::{SignedToken, Token, TokenKey, TokenKind};
pub use traces::Traces;
pub use words::is_control;
