//! What the targets share: requests that are rightly signed whatever they say, an installation that answers, a server that
//! plays a provider, and what must hold of what comes out.

mod message;
mod server;
mod shown;
mod signed;
mod world;

pub use message::{first_line, head_and_body, headers_in};
pub use server::Server;
pub use shown::{names_in, odd_texts, only_odd, shows_none, stands_alone};
pub use signed::{
    FORM, NOW, Proof, SECRET, Signed, URL, altered, base64, by_twilio, endpoint_secret, headers, now, standard_key, tag,
};
pub use world::{Answer, Asked, POSTERS, World};

use std::fmt::Display;
use std::str::FromStr;

use providers::{Event, Refusal, WebhookError};

/// What is to hold of every request with a right proof, whatever it says: it is taken, or refused as not readable; its
/// events can be stored and read again; nothing of them shows; and with one byte changed nothing vouches for it.
pub fn check_webhook(signed: &Signed) {
    let odd = odd_texts(&signed.body);
    match signed.verify() {
        Ok(events) => {
            events.iter().for_each(check_event);
            let news: Vec<_> = events.iter().map(|event| &event.news).collect();
            shows_none(&format!("{events:?} {news:?}"), &odd);
        }
        Err(error) => {
            assert_eq!(error.refusal(), Refusal::Unreadable, "{error}");
            shows_none(&format!("{error} {error:?}"), &odd);
        }
    }
    for other in signed.altered() {
        assert_unproven(&other.verify());
    }
}

/// Nothing vouches for it.
pub fn assert_unproven(outcome: &Result<Vec<Event>, WebhookError>) {
    match outcome {
        Ok(_) => panic!("a request was taken that nobody signed"),
        Err(error) => assert_eq!(error.refusal(), Refusal::Unproven, "{error}"),
    }
}

/// An event has a name, comes out of storage as it went in, and so does what it says about an e-mail.
pub fn check_event(event: &Event) {
    assert_eq!(event.identity.len(), 32, "an event without a name");
    let stored = serde_json::to_string(event).expect("an event is JSON");
    let read: Event = serde_json::from_str(&stored).expect("what was stored is read");
    assert!(&read == event, "stored and read, it is another: {stored}");
    if let Some(record) = event.email_record() {
        let stored = serde_json::to_string(&record).expect("a record is JSON");
        let read: domain::EmailEventRecord = serde_json::from_str(&stored).expect("what was stored is read");
        assert!(read == record, "stored and read, it is another: {stored}");
    }
}

/// What is read is the same when it is written and read again.
pub fn same<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let again = read.to_string().parse::<T>();
        assert!(again.is_ok_and(|again| again == read), "another when it is read again");
    }
}

/// The input as lines, the last of which is the rest.
#[must_use]
pub fn lines<const COUNT: usize>(data: &[u8]) -> Option<[&str; COUNT]> {
    let text = std::str::from_utf8(data).ok()?;
    let lines: Vec<&str> = text.splitn(COUNT, '\n').collect();
    lines.try_into().ok()
}
