//! What is asked for, one thing after the other.

use std::sync::{Mutex, PoisonError};

use domain::EmailEvent;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::book::{Class, Event, Send, Way, now};

/// So many people get all the mail, so that events of one meet.
const PEOPLE: usize = 40;

/// So many telephones get all the texts.
const TELEPHONES: usize = 50;

/// Draws what is asked for. What is drawn follows from the seed; when, from how fast the installation answers.
#[derive(Debug)]
pub(super) struct Course(Mutex<Drawn>);

#[derive(Debug)]
struct Drawn {
    dice: StdRng,
    messages: u64,
    sends: u64,
    /// What is still to be told of the present message.
    rest: Vec<EmailEvent>,
    /// The time of its latest event.
    last_at: i64,
    person: String,
}

impl Course {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(Drawn {
            dice: StdRng::seed_from_u64(seed),
            messages: 0,
            sends: 0,
            rest: Vec::new(),
            last_at: 0,
            person: String::new(),
        }))
    }

    /// The next event. Those of one message follow each other, in any order.
    pub(super) fn event(&self) -> Event {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).event()
    }

    /// The next message to be sent.
    pub(super) fn send(&self) -> Send {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).send()
    }
}

impl Drawn {
    fn event(&mut self) -> Event {
        if self.rest.is_empty() {
            self.next_message();
        }
        // No two events of a message have the same time.
        self.last_at = now().max(self.last_at + 1);
        let way = match self.dice.random_range(0..20) {
            0..10 => Way::Named,
            10..16 => Way::Unnamed,
            16 | 17 => Way::OldForm,
            18 => Way::NewForm,
            _ => Way::NewKind,
        };
        Event {
            message: format!("m-{}", self.messages),
            person: self.person.clone(),
            kind: self.rest.pop().unwrap_or(EmailEvent::Sent),
            occurred_at: self.last_at,
            way,
        }
    }

    fn next_message(&mut self) {
        self.messages += 1;
        self.person = format!("person-{}", self.dice.random_range(0..PEOPLE));
        self.rest = vec![EmailEvent::Sent, EmailEvent::Delivered];
        let opened = self.dice.random_range(0..4);
        let clicked = self.dice.random_range(0..3);
        self.rest.extend([EmailEvent::Opened].repeat(opened));
        self.rest.extend([EmailEvent::Clicked].repeat(clicked));
        self.rest.shuffle(&mut self.dice);
    }

    fn send(&mut self) -> Send {
        self.sends += 1;
        let class = match self.dice.random_range(0..20) {
            0..7 => Class::LookUp,
            7..12 => Class::Idempotent,
            12..15 => Class::Neither,
            15..18 => Class::Fallback,
            _ => Class::Code,
        };
        Send {
            mark: format!("{MARK}{:08}", self.sends),
            class,
            id: None,
        }
    }
}

/// The message of this number, by Resend.
pub(super) fn by_resend(number: u32) -> Send {
    Send {
        mark: format!("{MARK}{number:08}"),
        class: Class::Idempotent,
        id: None,
    }
}

/// What marks begin with, and how long they are.
const MARK: &str = "wish-";
const MARK_BYTES: usize = MARK.len() + 8;

/// The mark in a text, if there is one.
pub(crate) fn mark_in(text: &str) -> Option<&str> {
    let begin = text.find(MARK)?;
    text.get(begin..begin + MARK_BYTES)
}

/// The request for a message.
pub(super) fn body_of(send: &Send) -> Value {
    let number = send
        .mark
        .bytes()
        .fold(0_usize, |sum, byte| sum * 31 % 9_973 + usize::from(byte));
    if send.class == Class::LookUp {
        let to = format!("+1202555{:04}", 100 + number % TELEPHONES);
        return json!({ "channel": "sms", "to": to, "content": { "text": format!("Your table, {}.", send.mark) } });
    }
    let providers: &[&str] = match send.class {
        Class::LookUp | Class::Fallback => &["resend", "sendgrid"],
        Class::Idempotent => &["resend"],
        Class::Neither | Class::Code => &["sendgrid"],
    };
    json!({
        "channel": "email",
        "to": format!("person-{}@example.com", number % PEOPLE),
        "content": { "subject": format!("Your table, {}", send.mark), "text": "We look forward to seeing you." },
        "providers": providers,
        "class": if send.class == Class::Code { "code" } else { "transactional" },
    })
}
