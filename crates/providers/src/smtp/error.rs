//! What a server's reply means, and what it means when there is none.

use std::error::Error as _;

use lettre::transport::smtp;

use crate::excerpt::Excerpt;
use crate::send_error::{Class, Failure, Meaning, SendError};

/// How far the conversation had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, the server's greeting, encryption.
    Greeting,
    /// We show who we are.
    Login,
    /// `MAIL FROM`.
    From,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, and the content until its last byte.
    Content,
    /// The dot that ends the content is sent or may be.
    End,
}

impl Stage {
    /// What the server was asked.
    const fn asked(self) -> &'static str {
        match self {
            Self::Greeting => "EHLO",
            Self::Login => "AUTH",
            Self::From => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Content => "DATA",
            Self::End => "DATA and the whole mail",
        }
    }
}

/// What `error` means at `stage`. The server's text repeats addresses, and maybe the login: the excerpt of it is as it came, and
/// has to be masked by whoever knows them before it goes further.
pub(super) fn meaning(stage: Stage, error: &smtp::Error) -> SendError {
    if let Some(code) = error.status() {
        let text = error.source().map(ToString::to_string).unwrap_or_default();
        let code = code.into();
        return of_reply(stage, code, &text).about(Excerpt {
            request: stage.asked().to_owned(),
            response: Some(format!("{code} {text}")),
        });
    }
    if error.is_client() && stage == Stage::Login {
        let detail = "the server offers no way to log in that we know";
        return SendError::rejected(Class::Configuration, "auth", detail);
    }
    lost(stage, if error.is_response() { "reply" } else { "connection" })
}

/// No reply that could be understood: it is missing, late or nonsense.
pub(super) fn lost(stage: Stage, code: &'static str) -> SendError {
    let error = match stage {
        Stage::End => SendError::new(
            Failure::Unclear,
            code,
            "the server's last word on the mail did not come",
        ),
        Stage::Greeting => SendError::new(Failure::Unreachable, code, "the mail server was not reached"),
        _ => SendError::new(
            Failure::Unreachable,
            code,
            "the mail server was lost before it had the mail",
        ),
    };
    error.about(Excerpt {
        request: stage.asked().to_owned(),
        response: None,
    })
}

/// What a reply of 4yz or 5yz means. The first digit decides whether to try again, as RFC 5321 (4.2.1) has it, also where
/// the enhanced code (RFC 3463) behind it says another.
pub(super) fn of_reply(stage: Stage, code: u16, text: &str) -> SendError {
    let enhanced = enhanced(text).filter(|enhanced| u16::from(enhanced.class) == code / 100);
    let meaning = match code {
        400..=499 => transient(stage, code),
        _ => permanent(stage, code, enhanced.map(|code| (code.subject, code.detail))),
    };
    let code = match enhanced {
        Some(Enhanced { class, subject, detail }) => format!("{code} {class}.{subject}.{detail}"),
        None => code.to_string(),
    };
    meaning.error(code)
}

fn transient(stage: Stage, code: u16) -> Meaning {
    const BUSY: Meaning = Meaning::new(Failure::RateLimited, "the server takes no mail at present");
    const NO_LOGIN: Meaning = Meaning::new(Failure::RateLimited, "nobody can log in at the server at present");
    const PASSWORD: Meaning = Meaning::new(Failure::Unauthorized, "the server asks for another way to log in");
    const LATER: Meaning = Meaning::new(Failure::Deferred, "the server may take the mail later");
    match (stage, code) {
        (_, 421) => BUSY,
        (_, 432) => PASSWORD,
        (Stage::Greeting, _) => BUSY,
        (Stage::Login, _) => NO_LOGIN,
        _ => LATER,
    }
}

/// One row of the registry "SMTP Enhanced Status Codes" (RFC 5248) after another, then what the basic code and the stage
/// tell.
fn permanent(stage: Stage, code: u16, enhanced: Option<(u16, u16)>) -> Meaning {
    use Class::{Configuration, Content, Mailbox, Recipient, Unknown};
    let rejected = |class, detail| Meaning::new(Failure::Rejected(class), detail);
    match (stage, code, enhanced) {
        (_, 530 | 534 | 535 | 538, _) | (Stage::Login, ..) => {
            Meaning::new(Failure::Unauthorized, "the server does not take name and password")
        }
        (Stage::Greeting, ..) => rejected(Configuration, "the server takes no mail from this machine"),
        (_, _, Some((1, 7 | 8))) => rejected(Configuration, "the server does not take the sender's address"),
        (_, _, Some((1, _) | (2, 0 | 1))) => rejected(Recipient, "there is no such mailbox"),
        (_, _, Some((2, 2))) => rejected(Mailbox, "the mailbox is full"),
        (_, _, Some((2, 3) | (3, 4))) => rejected(Content, "the mail is too large"),
        (_, _, Some((6, _))) => rejected(Content, "the server cannot take mail of this form"),
        (Stage::Content | Stage::End, _, Some((7, 1))) => rejected(Content, "the server takes the mail for unwanted"),
        (_, _, Some((7, _))) => rejected(Configuration, "the server's rules do not let this sender write"),
        (Stage::Content | Stage::End, 552, _) => rejected(Content, "the mail is too large"),
        (_, 552, _) => rejected(Mailbox, "the mailbox is full"),
        (Stage::From, ..) => rejected(Configuration, "the server does not take the sender's address"),
        (Stage::Recipient, 551 | 553, _) => rejected(Recipient, "the server does not take the recipient's address"),
        // Without a word on why, it may as well be that we may not write there.
        _ => rejected(Unknown, "the server refused the mail"),
    }
}

#[derive(Clone, Copy)]
struct Enhanced {
    class: u8,
    subject: u16,
    detail: u16,
}

/// The enhanced code that `text` begins with: `5.1.1`.
fn enhanced(text: &str) -> Option<Enhanced> {
    let word = text.split_whitespace().next()?;
    let mut parts = word.split('.').map(|part| {
        let is_number = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok()).flatten()
    });
    let mut next = || parts.next().flatten();
    let (class, subject, detail): (u16, u16, u16) = (next()?, next()?, next()?);
    let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    parts.next().is_none().then_some(Enhanced { class, subject, detail })
}
