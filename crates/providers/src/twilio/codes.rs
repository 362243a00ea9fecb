//! What Twilio's error codes mean (documentation, "Error and Warning Dictionary"), in answers and in status callbacks.

use crate::send_error::{Class, Failure, Meaning};

/// The one that ends with the day.
pub(super) const DAILY_LIMIT: u32 = 63038;

const CODES: [(u32, Failure, &str); 54] = {
    use Class::{Configuration, Content, OptedOut, Recipient};
    use Failure::{Deferred, RateLimited, Rejected, Unauthorized, Unclear};
    [
        (14107, Rejected(Content), "too many replies to each other: a loop"),
        (20003, Unauthorized, "Twilio does not take the credentials"),
        (
            20404,
            Rejected(Configuration),
            "the account or the API is not where it was asked for",
        ),
        (20429, RateLimited, "too many requests"),
        (20500, Unclear, "Twilio has a fault"),
        (20503, Unclear, "Twilio has a fault"),
        (21211, Rejected(Recipient), "the recipient's number is not valid"),
        (21212, Rejected(Configuration), "the sender's number is not valid"),
        (21214, Rejected(Recipient), "the recipient's number cannot be reached"),
        (21217, Rejected(Recipient), "the recipient's number is not valid"),
        (21408, Rejected(Configuration), "the recipient's region is not enabled"),
        (
            21601,
            Rejected(Configuration),
            "the sender's number cannot send text messages",
        ),
        (21602, Rejected(Content), "the text is missing"),
        (21603, Rejected(Configuration), "the sender is missing"),
        (21604, Rejected(Recipient), "the recipient is missing"),
        (
            21606,
            Rejected(Configuration),
            "the sender's number is not the account's, or cannot send",
        ),
        (
            21608,
            Rejected(Configuration),
            "a trial account writes to verified numbers only",
        ),
        (
            21609,
            Rejected(Configuration),
            "the URL for status callbacks is not valid",
        ),
        (21610, Rejected(OptedOut), "the recipient said stop"),
        (21611, RateLimited, "the sender's queue is full"),
        (
            21612,
            Rejected(Configuration),
            "the recipient cannot be reached from this sender",
        ),
        (21614, Rejected(Recipient), "the recipient's number is not a mobile's"),
        (21617, Rejected(Content), "the text is too long"),
        (21620, Rejected(Content), "the URL of a picture is not valid"),
        (21635, Rejected(Recipient), "the recipient's number is a landline's"),
        (21656, Rejected(Content), "the template's variables are not valid"),
        (21703, Rejected(Configuration), "the messaging service has no sender"),
        (30001, Deferred, "a queue overflowed"),
        (30002, Rejected(Configuration), "the account is suspended"),
        (30003, Deferred, "the handset cannot be reached: off, or abroad"),
        (30004, Rejected(Recipient), "the recipient is blocked"),
        (30005, Rejected(Recipient), "nobody has the recipient's number"),
        (
            30006,
            Rejected(Recipient),
            "the recipient's number is a landline's, or of a carrier that cannot be reached",
        ),
        (30007, Rejected(Content), "the carrier takes the message for unwanted"),
        (30008, Deferred, "the carrier gave no reason"),
        (30009, Rejected(Content), "a part of the message is missing"),
        (30010, Rejected(Configuration), "the price is above the limit"),
        (30022, RateLimited, "the campaign's limit of messages is reached"),
        (30032, Rejected(Configuration), "the toll-free number is not verified"),
        (30034, Rejected(Configuration), "the sender's number is not registered"),
        (30410, Deferred, "the carrier did not answer in time"),
        (63001, Rejected(Configuration), "the channel does not take the account"),
        (63003, Rejected(Recipient), "the recipient is not on WhatsApp"),
        (63005, Rejected(Content), "the channel does not take the text"),
        (63007, Rejected(Configuration), "the sender is not on WhatsApp"),
        (63013, Rejected(Content), "the text is against the channel's rules"),
        (63014, Rejected(OptedOut), "the recipient blocked the sender"),
        (
            63015,
            Rejected(Configuration),
            "the recipient has not joined the sandbox",
        ),
        (
            63016,
            Rejected(Content),
            "the recipient wrote too long ago: a template is needed",
        ),
        (
            63017,
            RateLimited,
            "the account's limit of messages per second is reached",
        ),
        (63018, RateLimited, "the channel's limit of messages is reached"),
        (63024, Rejected(Recipient), "the recipient is not valid"),
        (
            63032,
            Rejected(Recipient),
            "WhatsApp lets nobody write to this recipient",
        ),
        (
            DAILY_LIMIT,
            RateLimited,
            "the account's messages of this day are used up",
        ),
    ]
};

/// What a code means that was reported for a message: `30003`. `None` for one that is not documented here.
#[must_use]
pub fn meaning_of(code: &str) -> Option<Meaning> {
    code.parse().ok().and_then(find)
}

pub(super) fn find(code: u32) -> Option<Meaning> {
    let row = CODES.iter().find(|row| row.0 == code)?;
    Some(Meaning::new(row.1, row.2))
}
