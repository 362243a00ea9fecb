//! What the installation was asked for and what it promised: the caller's own account of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use domain::EmailEvent;
use uuid::Uuid;

/// Milliseconds since 1970, by the clock that the installation goes by too.
pub(crate) type Millis = i64;

pub(crate) fn now() -> Millis {
    Utc::now().timestamp_millis()
}

/// One thing that is asked for, however often.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) what: What,
    /// When it was first promised.
    pub(crate) promised_at: Option<Millis>,
    /// The job that it was promised under. Every later promise must name the same.
    pub(crate) job: Option<Uuid>,
    /// How often it was promised as something new. Twice is once too often.
    pub(crate) new: u32,
    /// Promised under another job than before.
    pub(crate) changed: bool,
    /// Turned down for good: nobody would ask again.
    pub(crate) refused: Option<u16>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// To take note of an event of a message.
    Event(Event),
    /// To send a message.
    Send(Send),
    /// To take note of what somebody wrote.
    Inbound(Inbound),
}

/// An event. Its message and its time, which no other event of the message has, tell which one it is in the store.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) message: String,
    pub(crate) person: String,
    pub(crate) kind: EmailEvent,
    pub(crate) occurred_at: Millis,
    pub(crate) way: Way,
}

impl What {
    pub(crate) const fn event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Send(_) | Self::Inbound(_) => None,
        }
    }

    pub(crate) const fn send(&self) -> Option<&Send> {
        match self {
            Self::Event(_) | Self::Inbound(_) => None,
            Self::Send(send) => Some(send),
        }
    }

    pub(crate) const fn inbound(&self) -> Option<Inbound> {
        match self {
            Self::Event(_) | Self::Send(_) => None,
            Self::Inbound(inbound) => Some(*inbound),
        }
    }
}

impl Event {
    /// What tells it from others in the store: message, kind and time.
    pub(crate) fn key(&self) -> (String, String, Millis) {
        (self.message.clone(), self.kind.as_str().to_owned(), self.occurred_at)
    }
}

/// How an event comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Posted and signed; known by its `event_id`.
    Named,
    /// Posted and signed; known by what it says.
    Unnamed,
    /// Added to the queue in the smallest form of the payload that was ever shipped, as by a `web` of long ago.
    OldForm,
    /// Added to the queue with fields that nobody knows yet, as by a `web` of the next version.
    NewForm,
    /// Added to the queue as a kind that only workers of the next version know.
    NewKind,
}

/// A text that somebody wrote to us: one of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inbound {
    pub(crate) conversation: u32,
    /// Its place in the conversation. It is posted when the one before was promised.
    pub(crate) number: u32,
}

impl Inbound {
    /// What the provider calls it, which tells it from others in the store.
    pub(crate) fn sid(self) -> String {
        format!("SM{:016x}{:016x}", self.conversation, self.number)
    }

    /// Who wrote it.
    pub(crate) fn from(self) -> String {
        format!("+1202555{:04}", 100 + self.conversation)
    }

    /// What it says: one changes the mind of the one before.
    pub(crate) const fn text(self) -> &'static str {
        if self.number.is_multiple_of(2) { "STOP" } else { "START" }
    }
}

/// A message to be sent. Its mark stands in what the recipient reads.
#[derive(Clone, Debug)]
pub(crate) struct Send {
    pub(crate) mark: String,
    pub(crate) class: Class,
    /// What the installation calls it, once it was promised.
    pub(crate) id: Option<Uuid>,
}

/// By whom a message goes, and what follows if an answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A text by Twilio, which can be asked whether it has it.
    LookUp,
    /// A mail by Resend, which takes the same key once.
    Idempotent,
    /// A mail by SendGrid, which can do neither: waits for a person.
    Neither,
    /// A mail by Resend or, if that does not work, SendGrid.
    Fallback,
    /// A code by SendGrid, which is sent again by rule: it says the same.
    Code,
}

/// One 2xx, from asking to hearing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yes {
    /// It promised something new. What was kept before can be promised again without keeping anything.
    pub(crate) new: bool,
    pub(crate) asked_at: Millis,
    pub(crate) heard_at: Millis,
}

/// A promise, as it was heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    pub(crate) job: Uuid,
    pub(crate) duplicate: bool,
    /// Of a message.
    pub(crate) id: Option<Uuid>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Pages>);

/// What is in the book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    pub(crate) wishes: Vec<Wish>,
    /// Every 2xx of the HTTP interface.
    pub(crate) yes: Vec<Yes>,
    /// How requests ended: a status, or a word for what came instead.
    pub(crate) answers: BTreeMap<String, u64>,
}

impl Book {
    /// Writes down a wish, and answers its number.
    pub(crate) fn wish(&self, what: What) -> usize {
        let mut pages = self.lock();
        pages.wishes.push(Wish {
            what,
            promised_at: None,
            job: None,
            new: 0,
            changed: false,
            refused: None,
        });
        pages.wishes.len() - 1
    }

    /// Writes down that a wish was promised.
    pub(crate) fn promised(&self, wish: usize, promise: Promise) {
        let mut pages = self.lock();
        let wish = &mut pages.wishes[wish];
        wish.promised_at.get_or_insert_with(now);
        wish.changed |= wish.job.is_some_and(|job| job != promise.job);
        wish.job = Some(promise.job);
        wish.new += u32::from(!promise.duplicate);
        if let What::Send(send) = &mut wish.what {
            wish.changed |= send.id.is_some() && send.id != promise.id;
            send.id = promise.id;
        }
    }

    /// Writes down that a wish was turned down for good.
    pub(crate) fn refused(&self, wish: usize, status: u16) {
        self.lock().wishes[wish].refused = Some(status);
    }

    /// Writes down how a request ended.
    pub(crate) fn answered(&self, answer: String) {
        *self.lock().answers.entry(answer).or_default() += 1;
    }

    /// Writes down a 2xx.
    pub(crate) fn yes(&self, asked_at: Millis, new: bool) {
        let yes = Yes {
            new,
            asked_at,
            heard_at: now(),
        };
        self.lock().yes.push(yes);
    }

    /// All that is in it.
    pub(crate) fn pages(&self) -> Pages {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        // Nothing that is done under the lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
