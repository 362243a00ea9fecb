//! What is sent.
//!
//! These types can only hold what can be sent: addresses that mail goes to, header names that are ours to set, texts of
//! one line where a header takes no more. So no client has to check again, and nothing that a template or a person wrote
//! can become a header, an address or a part of its own. `Debug` shows nothing personal.

mod attachment;
mod email;
mod header;
mod line;
mod mailbox;
mod text;
mod whatsapp;

use domain::{Channel, MessageId};

pub use attachment::{ATTACHMENTS_BYTES_MAX, Attachment, UnusableMediaType};
pub use email::{EmailContent, OutgoingEmail, Unsubscribe, UnusableLink};
pub use header::{ExtraHeader, UnusableHeader};
pub use line::{LINE_CHARS_MAX, Line};
pub use mailbox::{Mailbox, UnusableAddress};
pub(crate) use text::sid;
pub use text::{MessagingService, OutgoingText, SenderName, TextFrom, UnusableName, UnusableSid};
pub use whatsapp::{ContentTemplate, OutgoingWhatsapp, WhatsappContent};

/// What our own id of a message is called where a provider hands back what it was given.
pub const MESSAGE_ID_TAG: &str = "message_id";

/// Anything that is sent.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the message of its name")]
pub enum Outgoing {
    Email(Box<OutgoingEmail>),
    Text(OutgoingText),
    Whatsapp(OutgoingWhatsapp),
}

impl Outgoing {
    /// Our own id of the message.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        match self {
            Self::Email(email) => email.id,
            Self::Text(text) => text.id,
            Self::Whatsapp(message) => message.id,
        }
    }

    /// The way that it takes.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Text(_) => Channel::Sms,
            Self::Whatsapp(_) => Channel::Whatsapp,
        }
    }
}
