//! The mail that lies in mailboxes.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// The most flags that a mail keeps.
const FLAGS_MAX: usize = 32;

/// All mailboxes. Together they hold so many bytes; what is older is thrown away.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    boxes: HashMap<String, Mailbox>,
    /// Of every mail, oldest first: whose it is.
    order: VecDeque<String>,
    uid_validity: u32,
    bytes: usize,
    bytes_max: usize,
    mails_max: usize,
}

/// One mailbox.
#[derive(Debug, Default)]
struct Mailbox {
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
    /// `uid_validity` has to be larger than that of any former time.
    pub(crate) fn new(bytes_max: usize, mails_max: usize, uid_validity: u32) -> Self {
        Self {
            boxes: HashMap::new(),
            order: VecDeque::new(),
            uid_validity,
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

    /// Oldest first.
    pub(crate) fn mails(&self, address: &str) -> impl ExactSizeIterator<Item = &Mail> {
        static NONE: Mailbox = Mailbox {
            mails: VecDeque::new(),
            uid_last: 0,
        };
        self.boxes.get(&address.to_lowercase()).unwrap_or(&NONE).mails.iter()
    }

    /// Their numbers, the same way.
    pub(crate) fn uids(&self, address: &str) -> Vec<u32> {
        self.mails(address).map(|mail| mail.uid).collect()
    }

    /// The number of the next mail.
    pub(crate) fn uid_next(&self, address: &str) -> u32 {
        self.boxes
            .get(&address.to_lowercase())
            .map_or(0, |mailbox| mailbox.uid_last)
            + 1
    }

    /// Changes when numbers do not mean the same mails any more, and only grows.
    pub(crate) fn uid_validity(&self) -> u32 {
        self.uid_validity
    }

    /// One mail.
    pub(crate) fn mail(&self, address: &str, uid: u32) -> Option<&Mail> {
        let mails = &self.boxes.get(&address.to_lowercase())?.mails;
        let place = mails.binary_search_by_key(&uid, |mail| mail.uid).ok()?;
        mails.get(place)
    }

    /// The same, to be changed.
    pub(crate) fn mail_mut(&mut self, address: &str, uid: u32) -> Option<&mut Mail> {
        let mails = &mut self.boxes.get_mut(&address.to_lowercase())?.mails;
        let place = mails.binary_search_by_key(&uid, |mail| mail.uid).ok()?;
        mails.get_mut(place)
    }

    /// Numbers all mails anew, as a server does that has lost its numbers.
    pub(crate) fn renumber(&mut self) {
        self.uid_validity += 1;
        for mailbox in self.boxes.values_mut() {
            for (mail, uid) in mailbox.mails.iter_mut().zip(1..) {
                mail.uid = uid;
            }
            mailbox.uid_last = mailbox.mails.back().map_or(0, |mail| mail.uid);
        }
    }

    /// Throws all mail away.
    pub(crate) fn clear(&mut self) {
        self.uid_validity += 1;
        self.boxes.clear();
        self.order.clear();
        self.bytes = 0;
    }
}

impl Mail {
    pub(crate) fn is_seen(&self) -> bool {
        self.has_flag("\\Seen")
    }

    pub(crate) fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|other| other.eq_ignore_ascii_case(flag))
    }

    /// Sets a flag or takes it away. Returns whether that changed anything.
    pub(crate) fn set_flag(&mut self, flag: &str, is_set: bool) -> bool {
        let had = self.has_flag(flag);
        if is_set && !had && self.flags.len() < FLAGS_MAX {
            self.flags.push(flag.to_owned());
        } else if !is_set {
            self.flags.retain(|other| !other.eq_ignore_ascii_case(flag));
        }
        had != is_set
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

    #[test]
    fn the_oldest_mail_goes_when_there_is_too_much_and_numbers_go_on() {
        let mut mailboxes = Mailboxes::new(25, 100, 1);
        let mut deliver = |address| mailboxes.deliver(address, Bytes::from_static(b"ten bytes!"), DateTime::default());
        deliver("ana@example.com");
        deliver("bob@example.com");
        deliver("Ana@Example.com");
        assert_eq!(mailboxes.uids("ANA@example.com"), [2]);
        assert_eq!(mailboxes.uids("bob@example.com"), [1]);
        assert_eq!(mailboxes.uid_next("ana@example.com"), 3);
    }

    #[test]
    fn there_are_never_too_many_mails() {
        let mut mailboxes = Mailboxes::new(usize::MAX, 2, 1);
        for number in 0..10 {
            mailboxes.deliver(&format!("{number}@example.com"), Bytes::new(), DateTime::default());
        }
        assert_eq!(mailboxes.order.len(), 2);
        assert!(mailboxes.boxes.len() <= 3);
    }
}
