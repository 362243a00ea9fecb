//! Why somebody is not written to, and what ends that.
//!
//! A suppression belongs to one address or number of one tenant. Several may stand at once; each is lifted by itself, and
//! nothing goes out while one stands.

use crate::channel::Language;
use crate::delivery::{EmailEvent, TextEvent};
use crate::replies::Intent;

stored! {
    /// Why an address or a number is not written to.
    Suppression {
        /// What was sent came back, and would again: nobody has it.
        HardBounce = "hard_bounce",
        /// The recipient called a message spam.
        Complaint = "complaint",
        /// The recipient wants no more mail.
        Unsubscribed = "unsubscribed",
        /// The recipient answered STOP.
        Stop = "stop",
        /// The tenant decided so.
        Manual = "manual",
    }
}

stored! {
    /// What may end a suppression.
    Lift {
        /// The recipient answered START.
        Start = "start",
        /// The recipient subscribed again, by the tenant's or the provider's page.
        Resubscribed = "resubscribed",
        /// Somebody of the tenant ends it and answers for it.
        Operator = "operator",
    }
}

stored! {
    /// What a provider says of a failure beyond the failure.
    FailureCause {
        /// The recipient has stopped or blocked the sender (Twilio 21610, 63014).
        OptedOut = "opted_out",
        /// Nobody can be reached there by this channel: no such address, no such number, a landline (SMTP 5.1.1, Twilio
        /// 21211, 21614, 30005, 30006, 63003, Green-API `noAccount`).
        NoSuchRecipient = "no_such_recipient",
        /// It may pass: a full mailbox, a phone that is off, a reputation.
        Passing = "passing",
        /// The message or the sender was at fault, or nothing is said.
        Other = "other",
    }
}

impl Suppression {
    /// Whether `lift` ends it.
    ///
    /// A STOP is only ever taken back by who said it: carriers hold it against the sender, whatever a tenant thinks. START
    /// says nothing about mail, nor that a dead number has come to life. Who complained or unsubscribed may ask a person of
    /// the tenant to be written to again; only the latter may do so with a button.
    #[must_use]
    pub const fn is_lifted_by(self, lift: Lift) -> bool {
        match self {
            Self::Stop => matches!(lift, Lift::Start),
            Self::Unsubscribed => matches!(lift, Lift::Resubscribed | Lift::Operator),
            Self::HardBounce | Self::Complaint | Self::Manual => matches!(lift, Lift::Operator),
        }
    }

    /// What an event about a mail makes of its recipient. A bounce is final unless the provider says that it may pass.
    #[must_use]
    pub const fn after_email(event: EmailEvent, cause: FailureCause) -> Option<Self> {
        match event {
            EmailEvent::Bounced => match cause {
                FailureCause::Passing => None,
                FailureCause::OptedOut => Some(Self::Unsubscribed),
                FailureCause::NoSuchRecipient | FailureCause::Other => Some(Self::HardBounce),
            },
            EmailEvent::Complained => Some(Self::Complaint),
            EmailEvent::Unsubscribed => Some(Self::Unsubscribed),
            EmailEvent::Sent | EmailEvent::Delivered | EmailEvent::Opened | EmailEvent::Clicked => None,
        }
    }

    /// What an event about an SMS or a WhatsApp message makes of its recipient. Most failures are the network's, the
    /// text's or the sender's; only what the provider says of the recipient counts.
    #[must_use]
    pub const fn after_text(event: TextEvent, cause: FailureCause) -> Option<Self> {
        match (event, cause) {
            (TextEvent::Failed | TextEvent::Undelivered, FailureCause::OptedOut) => Some(Self::Stop),
            (TextEvent::Failed | TextEvent::Undelivered, FailureCause::NoSuchRecipient) => Some(Self::HardBounce),
            _ => None,
        }
    }

    /// What a reply makes of who wrote it.
    #[must_use]
    pub const fn after_reply(intent: Intent) -> Option<Self> {
        match intent {
            Intent::Stop => Some(Self::Stop),
            Intent::Yes | Intent::No | Intent::Start | Intent::Help | Intent::Unclear => None,
        }
    }
}

impl Lift {
    /// What a reply lifts.
    #[must_use]
    pub const fn by_reply(intent: Intent) -> Option<Self> {
        match intent {
            Intent::Start => Some(Self::Start),
            Intent::Yes | Intent::No | Intent::Stop | Intent::Help | Intent::Unclear => None,
        }
    }
}

/// The longest name that is put into an answer, in characters, so that the answer stays one SMS.
pub const NAME_CHARS_MAX: usize = 30;

/// The longest contact that is put into an answer, in characters. A longer one is left out: half of it helps nobody.
pub const CONTACT_CHARS_MAX: usize = 45;

/// What is answered to STOP, START and HELP, in the name of `sender`; nothing to other replies. `contact` is an address,
/// a page or a number where a person of the sender's is reached.
///
/// Carriers (CTIA, Messaging Principles and Best Practices) ask that each says who writes, that the one to STOP says
/// that no more will come and is the last, and that the one to HELP says where to ask and how to stop. Where the
/// provider answers STOP and HELP by itself, as Twilio does for its numbers by default, this is not to be sent as well.
/// The texts keep to the GSM alphabet, which has no `ê` and no `ç`: one such letter would make two messages of one.
#[must_use]
pub fn answer(intent: Intent, language: Language, sender: &str, contact: Option<&str>) -> Option<String> {
    let sender: String = sender.chars().take(NAME_CHARS_MAX).collect();
    let (english, french) = match intent {
        Intent::Stop => (
            "you are unsubscribed and will get no more messages. Reply START to get them again.",
            "désinscription faite, vous ne recevrez plus de messages. Répondez START pour en recevoir à nouveau.",
        ),
        Intent::Start => (
            "you will get our messages again. Reply HELP for help, STOP to unsubscribe.",
            "vous recevrez à nouveau nos messages. Répondez AIDE pour de l'aide, STOP pour vous désinscrire.",
        ),
        Intent::Help => (
            "reply STOP to get no more messages, START to get them again.",
            "répondez STOP pour ne plus rien recevoir, START pour recevoir à nouveau.",
        ),
        Intent::Yes | Intent::No | Intent::Unclear => return None,
    };
    let (text, where_to_ask) = match language {
        Language::English => (english, "Help:"),
        Language::French => (french, "Aide:"),
    };
    let contact = contact.filter(|contact| intent == Intent::Help && contact.chars().count() <= CONTACT_CHARS_MAX);
    Some(match contact {
        Some(contact) => format!("{sender}: {text} {where_to_ask} {contact}"),
        None => format!("{sender}: {text}"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_suppression_is_lifted_by_what_may_lift_it_and_nothing_else() {
        let lifts = |suppression: Suppression| {
            let lifts = Lift::ALL.iter().filter(|lift| suppression.is_lifted_by(**lift));
            lifts.map(|lift| lift.as_str()).collect::<Vec<_>>().join(" ")
        };
        let table: Vec<_> = Suppression::ALL
            .iter()
            .map(|suppression| (suppression.as_str(), lifts(*suppression)))
            .collect();
        let table: Vec<_> = table.iter().map(|(word, lifts)| (*word, lifts.as_str())).collect();
        assert_eq!(
            table,
            [
                ("hard_bounce", "operator"),
                ("complaint", "operator"),
                ("unsubscribed", "resubscribed operator"),
                ("stop", "start"),
                ("manual", "operator"),
            ]
        );
    }

    #[test]
    fn mail_that_comes_back_for_good_or_is_unwanted_suppresses() {
        use FailureCause::*;
        let check = |event, cause, expected| assert_eq!(Suppression::after_email(event, cause), expected);
        check(EmailEvent::Bounced, NoSuchRecipient, Some(Suppression::HardBounce));
        check(EmailEvent::Bounced, Other, Some(Suppression::HardBounce));
        check(EmailEvent::Bounced, Passing, None);
        check(EmailEvent::Bounced, OptedOut, Some(Suppression::Unsubscribed));
        check(EmailEvent::Complained, Other, Some(Suppression::Complaint));
        check(EmailEvent::Unsubscribed, Other, Some(Suppression::Unsubscribed));
        for event in [
            EmailEvent::Sent,
            EmailEvent::Delivered,
            EmailEvent::Opened,
            EmailEvent::Clicked,
        ] {
            check(event, Other, None);
        }
    }

    #[test]
    fn a_text_message_suppresses_only_by_what_the_provider_says_of_the_recipient() {
        for &event in TextEvent::ALL {
            let failed = matches!(event, TextEvent::Failed | TextEvent::Undelivered);
            let check = |cause, expected| {
                let expected = if failed { expected } else { None };
                assert_eq!(Suppression::after_text(event, cause), expected, "{event} {cause}");
            };
            check(FailureCause::OptedOut, Some(Suppression::Stop));
            check(FailureCause::NoSuchRecipient, Some(Suppression::HardBounce));
            check(FailureCause::Passing, None);
            check(FailureCause::Other, None);
        }
    }

    #[test]
    fn stop_suppresses_start_lifts_it_and_no_other_reply_does_either() {
        for &intent in Intent::ALL {
            let suppression = (intent == Intent::Stop).then_some(Suppression::Stop);
            assert_eq!(Suppression::after_reply(intent), suppression);
            let lift = (intent == Intent::Start).then_some(Lift::Start);
            assert_eq!(Lift::by_reply(intent), lift);
        }
    }

    #[test]
    fn stored_words_are_what_they_always_were() {
        let words: Vec<_> = FailureCause::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(words, ["opted_out", "no_such_recipient", "passing", "other"]);
        let words: Vec<_> = Lift::ALL.iter().map(|lift| lift.as_str()).collect();
        assert_eq!(words, ["start", "resubscribed", "operator"]);
    }

    #[test]
    fn answers_name_the_sender_and_the_way_out_and_fit_into_one_sms() {
        const ACCENTS_OF_GSM: &str = "àéèùìòÉ";
        let name = "N".repeat(100);
        let contact = "C".repeat(CONTACT_CHARS_MAX);
        for &language in Language::ALL {
            for intent in [Intent::Stop, Intent::Start, Intent::Help] {
                let text = answer(intent, language, &name, Some(&contact)).unwrap();
                assert!(text.starts_with(&format!("{}: ", "N".repeat(NAME_CHARS_MAX))), "{text}");
                assert!(
                    text.chars().count() <= 160,
                    "{} characters: {text}",
                    text.chars().count()
                );
                let alien: Vec<char> = text
                    .chars()
                    .filter(|char| !char.is_ascii() && !ACCENTS_OF_GSM.contains(*char))
                    .collect();
                assert!(alien.is_empty(), "{alien:?} in {text}");
                assert_eq!(text.ends_with(&contact), intent == Intent::Help, "{text}");
                let way_out = if intent == Intent::Stop { "START" } else { "STOP" };
                assert!(text.contains(way_out), "{text}");
            }
            let too_long = answer(Intent::Help, language, &name, Some(&name)).unwrap();
            assert_eq!(Some(too_long), answer(Intent::Help, language, &name, None));
            for intent in [Intent::Yes, Intent::No, Intent::Unclear] {
                assert_eq!(answer(intent, language, "relais", None), None);
            }
        }
    }

    #[test]
    fn what_an_answer_tells_people_to_write_is_understood() {
        use crate::replies::intent;
        assert_eq!(intent("STOP"), Intent::Stop);
        assert_eq!(intent("START"), Intent::Start);
        assert_eq!(intent("HELP"), Intent::Help);
        assert_eq!(intent("AIDE"), Intent::Help);
    }
}
