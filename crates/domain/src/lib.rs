#![doc = include_str!("../README.md")]

#[macro_use]
mod stored;
mod words;

pub mod channel;
pub mod delivery;
pub mod email_event;
pub mod ids;
pub mod interaction;
pub mod masking;
pub mod otp;
pub mod phone;
pub mod quiet;
pub mod replies;
pub mod role;
pub mod scoring;
pub mod suppression;

pub use channel::{Channel, Language};
pub use delivery::{EmailEvent, Progress, Status, TextEvent};
pub use email_event::EmailEventRecord;
pub use ids::{ApiKeyId, ChallengeId, ContactId, EndpointId, EventId, InteractionId, MessageId, TenantId};
pub use masking::{EmailAddress, PersonalText};
pub use otp::{Challenge, Code, CodeError, CodeKey, Verdict};
pub use phone::{E164, PhoneError};
pub use quiet::{QuietError, QuietHours};
pub use replies::Intent;
pub use role::Role;
pub use stored::UnknownWord;
pub use suppression::{FailureCause, Lift, Suppression};
