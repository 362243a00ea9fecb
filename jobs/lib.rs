//! What we do: one file per kind of job, named like its stored name.
//!
//! Start reading at [`RecordEmailEvent`]. A job's payload holds ids and small values; everything else is loaded when it
//! runs. Its doc says what happens when it runs twice, and when it runs late.

mod act_on_dead_letters;
pub mod apply_retention;
pub mod bulk;
mod decay_scores;
mod erase_contact;
mod find_hot_leads;
pub mod guard;
pub mod hooks;
mod house;
mod look_up_message;
pub mod outside;
mod pace;
pub mod person;
mod purge_queue;
mod reconcile_messages;
mod record_email_event;
mod record_provider_events;
mod record_tracking;
mod remind;
pub mod schedule;
mod send_bulk;
mod send_email;
mod send_otp;
mod send_sign_in_links;
mod send_sms;
mod send_whatsapp;
pub mod sending;
mod tell_hot_lead;

pub use act_on_dead_letters::ActOnDeadLetters;
pub use apply_retention::ApplyRetention;
pub use decay_scores::DecayScores;
pub use erase_contact::EraseContact;
pub use find_hot_leads::FindHotLeads;
pub use house::House;
pub use look_up_message::LookUpMessage;
pub use outside::Outside;
pub use purge_queue::PurgeQueue;
pub use reconcile_messages::ReconcileMessages;
pub use record_email_event::RecordEmailEvent;
pub use record_provider_events::{EVENTS_PER_JOB_MAX, RecordProviderEvents, inbound_of};
pub use record_tracking::RecordTracking;
pub use remind::Remind;
pub use send_bulk::SendBulk;
pub use send_email::SendEmail;
pub use send_otp::SendOtp;
pub use send_sign_in_links::SendSignInLinks;
pub use send_sms::SendSms;
pub use send_whatsapp::SendWhatsapp;
pub use tell_hot_lead::TellHotLead;

use queue::{Client, Registry};
use store::Store;

/// What jobs run with.
#[derive(Clone)]
pub struct Ctx {
    /// What is remembered.
    pub store: Store,
    /// Where follow-up jobs go, and what housekeeping tidies.
    pub queue: Client,
    /// The accounts at providers, and where we are reached.
    pub outside: Outside,
}

/// The list of all jobs. A kind that is missing here is parked, not lost.
#[must_use]
pub fn registry() -> Registry<Ctx> {
    Registry::default()
        .with::<RecordEmailEvent>()
        .with::<RecordProviderEvents>()
        .with::<RecordTracking>()
        .with::<ReconcileMessages>()
        .with::<LookUpMessage>()
        .with::<Remind>()
        .with::<PurgeQueue>()
        .with::<DecayScores>()
        .with::<ApplyRetention>()
        .with::<EraseContact>()
        .with::<FindHotLeads>()
        .with::<TellHotLead>()
        .with::<ActOnDeadLetters>()
        .with::<SendBulk>()
        .with::<SendEmail>()
        .with::<SendSms>()
        .with::<SendWhatsapp>()
        .with::<SendOtp>()
        .with::<SendSignInLinks>()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Every payload form ever shipped lies in `fixtures/KIND/`, and parses for ever.
    #[test]
    fn every_payload_form_ever_shipped_still_parses() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let registry = registry();
        for kind in registry.names() {
            let forms: Vec<_> = std::fs::read_dir(root.join(kind)).unwrap().collect();
            assert!(!forms.is_empty(), "{kind} has no fixture of its first form");
            for form in forms {
                let path = form.unwrap().path();
                let checked = registry.check(kind, &std::fs::read(&path).unwrap());
                assert!(matches!(checked, Some(Ok(_))), "{}: {checked:?}", path.display());
            }
        }
    }

    #[test]
    fn every_kind_is_the_name_of_its_file() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for kind in registry().names() {
            assert!(
                root.join(format!("{kind}.rs")).exists(),
                "{kind} has no file of its own"
            );
        }
    }

    #[test]
    fn every_job_ends_well_within_the_lease_that_is_the_default() {
        assert_eq!(registry().too_slow_for(queue::LEASE), Vec::<&str>::new());
    }
}
