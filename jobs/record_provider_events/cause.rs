//! What a provider's codes say of the recipient of a message that failed.
//!
//! It decides who is not written to any more, so a code is only read as "nobody is there" where the provider's
//! documentation says so. What merely failed is left to the rules of [`FailureCause::Other`].

use domain::FailureCause;
use providers::event::{DeliveryReport, Permanence};
use providers::{Class, Failure, Provider, twilio};

/// Twilio: the number does not exist, is nobody's, no mobile's, or not on WhatsApp. Not every code that concerns the
/// recipient: one who is blocked (30004) or taken out for a test (63032) is there all the same.
const TWILIO_NOBODY: [&str; 9] = [
    "21211", "21214", "21217", "21614", "21635", "30005", "30006", "63003", "63024",
];
/// SMTP's enhanced codes (RFC 3463) of SendGrid's bounces: no such mailbox, no such domain, no such form of an address,
/// moved, takes no mail at all, disabled. The others below 5.1 are about the sender's address.
const SMTP_NOBODY: [&str; 6] = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"];
/// A full mailbox; a policy or a reputation.
const SMTP_PASSING: [&str; 2] = ["5.2.2", "5.7."];

pub(super) fn of(provider: Provider, report: &DeliveryReport) -> FailureCause {
    let code = report.error_code.as_deref().unwrap_or_default();
    let cause = match provider {
        Provider::Twilio => of_twilio(code),
        Provider::SendGrid => of_sendgrid(code, report),
        Provider::Resend => of_resend(code),
        Provider::GreenApi if code == "noAccount" => FailureCause::NoSuchRecipient,
        Provider::GreenApi | Provider::Smtp | Provider::StandardWebhooks | Provider::Vapi => FailureCause::Other,
    };
    match (cause, report.permanence) {
        (FailureCause::Other, Some(Permanence::Transient)) => FailureCause::Passing,
        (cause, _) => cause,
    }
}

fn of_twilio(code: &str) -> FailureCause {
    if TWILIO_NOBODY.contains(&code) {
        return FailureCause::NoSuchRecipient;
    }
    match twilio::meaning_of(code).map(|meaning| meaning.failure) {
        Some(Failure::Rejected(Class::OptedOut)) => FailureCause::OptedOut,
        Some(Failure::Deferred | Failure::RateLimited) => FailureCause::Passing,
        _ => FailureCause::Other,
    }
}

/// Mail that SendGrid dropped has a reason in fixed words instead of a code (documentation, "Event Webhook reference").
fn of_sendgrid(code: &str, report: &DeliveryReport) -> FailureCause {
    let reason = report.reason.as_ref().map(|reason| reason.expose());
    match reason {
        Some("Bounced Address" | "Invalid") => return FailureCause::NoSuchRecipient,
        Some("Unsubscribed Address" | "Spam Reporting Address") => return FailureCause::OptedOut,
        _ => {}
    }
    let passes = code.starts_with("4.") || SMTP_PASSING.iter().any(|known| code.starts_with(known));
    if SMTP_NOBODY.contains(&code) {
        FailureCause::NoSuchRecipient
    } else if passes {
        FailureCause::Passing
    } else {
        FailureCause::Other
    }
}

/// Resend's sub-types of bounces, and its reasons to suppress. What was at fault in the message may be mended.
fn of_resend(code: &str) -> FailureCause {
    match code {
        "NoEmail" | "previous_bounce" => FailureCause::NoSuchRecipient,
        "previous_complaint" => FailureCause::OptedOut,
        "MailboxFull" | "MessageTooLarge" | "ContentRejected" | "AttachmentRejected" => FailureCause::Passing,
        _ => FailureCause::Other,
    }
}
