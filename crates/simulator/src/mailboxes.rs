//! The mail that lies in mailboxes.

#![expect(dead_code, reason = "nobody fetches mail yet")]

use std::collections::{HashMap, VecDeque};
use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// All mailboxes. Together they hold so many bytes; what is older is thrown away.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    boxes: HashMap<String, Mailbox>,
    /// Of every mail, oldest first: whose it is.
    order: VecDeque<String>,
    bytes: usize,
    bytes_max: usize,
    mails_max: usize,
}

/// One mailbox.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    mails: VecDeque<Mail>,
    uid_last: u32,
}

/// One mail in it.
#[derive(Clone)]
pub(crate) struct Mail {
    /// Grows from one to the next.
    pub(crate) uid: u32,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) raw: Bytes,
    /// `\Seen` and so on.
    pub(crate) flags: Vec<String>,
}

impl Mailboxes {
    pub(crate) fn new(bytes_max: usize, mails_max: usize) -> Self {
        Self {
            boxes: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            bytes_max,
            mails_max: mails_max.max(1),
        }
    }

    /// Puts a mail into the mailbox of this address, whatever its capitals.
    pub(crate) fn deliver(&mut self, address: &str, raw: Bytes, received_at: DateTime<Utc>) {
        let address = address.to_lowercase();
        self.bytes += raw.len();
        let mailbox = self.boxes.entry(address.clone()).or_default();
        mailbox.uid_last += 1;
        mailbox.mails.push_back(Mail {
            uid: mailbox.uid_last,
            received_at,
            raw,
            flags: Vec::new(),
        });
        self.order.push_back(address);
        while self.bytes > self.bytes_max || self.order.len() > self.mails_max {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(address) = self.order.pop_front() else {
            self.bytes = 0;
            return;
        };
        if let Some(mailbox) = self.boxes.get_mut(&address)
            && let Some(mail) = mailbox.mails.pop_front()
        {
            self.bytes -= mail.raw.len();
            // Its numbers go on, unless there are too many addresses to remember.
            if mailbox.mails.is_empty() && self.boxes.len() > self.mails_max {
                self.boxes.remove(&address);
            }
        }
    }

    pub(crate) fn get(&self, address: &str) -> Option<&Mailbox> {
        self.boxes.get(&address.to_lowercase())
    }

    pub(crate) fn get_mut(&mut self, address: &str) -> Option<&mut Mailbox> {
        self.boxes.get_mut(&address.to_lowercase())
    }
}

impl Mailbox {
    /// Oldest first.
    pub(crate) fn mails(&self) -> &VecDeque<Mail> {
        &self.mails
    }

    pub(crate) fn mails_mut(&mut self) -> &mut VecDeque<Mail> {
        &mut self.mails
    }

    /// The number of the next mail.
    pub(crate) fn uid_next(&self) -> u32 {
        self.uid_last + 1
    }
}

/// Shows its size.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("uid", &self.uid)
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(mailboxes: &Mailboxes, address: &str) -> Vec<u32> {
        let mails = mailboxes.get(address).map(Mailbox::mails);
        mails.into_iter().flatten().map(|mail| mail.uid).collect()
    }

    #[test]
    fn the_oldest_mail_goes_when_there_is_too_much_and_numbers_go_on() {
        let mut mailboxes = Mailboxes::new(25, 100);
        let mut deliver = |address| mailboxes.deliver(address, Bytes::from_static(b"ten bytes!"), DateTime::default());
        deliver("ana@example.com");
        deliver("bob@example.com");
        deliver("Ana@Example.com");
        assert_eq!(uids(&mailboxes, "ANA@example.com"), [2]);
        assert_eq!(uids(&mailboxes, "bob@example.com"), [1]);
        assert_eq!(mailboxes.get("ana@example.com").map(Mailbox::uid_next), Some(3));
    }

    #[test]
    fn there_are_never_too_many_mails() {
        let mut mailboxes = Mailboxes::new(usize::MAX, 2);
        for number in 0..10 {
            mailboxes.deliver(&format!("{number}@example.com"), Bytes::new(), DateTime::default());
        }
        assert_eq!(mailboxes.order.len(), 2);
        assert!(mailboxes.boxes.len() <= 3);
    }
}
