//! What a mail server says while it is handed a mail. Input: lines, one reply each, those of several lines with `-` behind
//! the code; `{to}`, `{subject}`, `{text}` and `{secret}` stand for what it was told.

#![no_main]

use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use domain::{EmailAddress, MessageId, PersonalText};
use libfuzzer_sys::fuzz_target;
use providers::SendError;
use providers::outgoing::{EmailContent, Line, Mailbox, OutgoingEmail};
use providers::smtp::{Security, SmtpClient, SmtpCredentials};
use relais_fuzz::{SECRET, now, stands_alone};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

const ADDRESS: &str = "ana@example.com";
const SUBJECT: &str = "Appointment at half past nine";
const TEXT: &str = "Bring your passport and two pictures";
/// The server waits for the client no longer than this, nor the client for the server.
const SERVER_WAITS: Duration = Duration::from_millis(500);
const CLIENT_WAITS: Duration = Duration::from_secs(5);

/// What the server is to say, and how far the client came.
#[derive(Default)]
struct Talk {
    replies: Vec<Vec<u8>>,
    /// It was let send the mail.
    is_asked_for_mail: bool,
    /// It has sent all of it, and this is what it heard.
    last_word: Option<Vec<u8>>,
}

struct World {
    runtime: Runtime,
    credentials: SmtpCredentials,
    talk: Arc<Mutex<Talk>>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let talk: Arc<Mutex<Talk>> = Arc::default();
    let heard = Arc::clone(&talk);
    // One client after another: each has closed before the next one comes.
    thread::spawn(move || {
        listener
            .incoming()
            .flatten()
            .for_each(|stream| drop(serve(stream, &heard)))
    });
    let credentials = SmtpCredentials::new("127.0.0.1", port, Security::None).expect("a server");
    World {
        runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
        credentials: credentials.with_login("relais", &SECRET.into()).expect("a login"),
        talk,
    }
});

fuzz_target!(|data: &[u8]| {
    let told = [
        ("{to}", ADDRESS),
        ("{subject}", SUBJECT),
        ("{text}", TEXT),
        ("{secret}", SECRET),
    ];
    let text = String::from_utf8_lossy(data).into_owned();
    let text = told.iter().fold(text, |text, (name, value)| text.replace(name, value));
    *locked(&WORLD.talk) = Talk {
        replies: replies(&text),
        ..Talk::default()
    };
    let mail = mail();
    // A new one for each input, so that none meets a connection of the one before.
    let client = SmtpClient::with_timeouts(&WORLD.credentials, CLIENT_WAITS, CLIENT_WAITS).expect("a client");
    let sent = WORLD.runtime.block_on(client.send(&mail, now()));
    drop(client);
    let talk = locked(&WORLD.talk);
    match sent {
        Ok(sent) => {
            let is_taken = talk.last_word.as_ref().is_some_and(|word| word.starts_with(b"2"));
            assert!(is_taken, "sent, although nobody took it");
            assert_eq!(sent.external_id, mail.message_id());
        }
        Err(error) if error.is_surely_unsent() => {
            let is_refused = |word: &Vec<u8>| word.starts_with(b"4") || word.starts_with(b"5");
            assert!(
                talk.last_word.as_ref().is_none_or(is_refused),
                "taken, and called unsent: {error}"
            );
            check(&error);
        }
        Err(error) => {
            assert!(
                talk.is_asked_for_mail,
                "unclear, although nobody asked for the mail: {error}"
            );
            check(&error);
        }
    }
});

/// Neither the error nor what is kept of the conversation repeats the mail or the password.
fn check(error: &SendError) {
    assert_eq!(error.until, None, "no server says when");
    let excerpt = error.excerpt.as_deref();
    let response = excerpt
        .and_then(|excerpt| excerpt.response.as_deref())
        .unwrap_or_default();
    let shown = format!("{error}\n{response}\n{error:?}");
    for value in [ADDRESS, SUBJECT, TEXT, SECRET] {
        assert!(!stands_alone(&shown, value, &[]), "this shows {value:?}: {shown}");
    }
}

/// Each reply ends with a line that has no `-` behind its code.
fn replies(text: &str) -> Vec<Vec<u8>> {
    let mut replies = vec![Vec::new()];
    for line in text.lines() {
        if let Some(reply) = replies.last_mut() {
            reply.extend([line.as_bytes(), b"\r\n"].concat());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            replies.push(Vec::new());
        }
    }
    replies.retain(|reply| !reply.is_empty());
    replies.reverse();
    replies
}

/// Says its replies one after another, each when the client has spoken, and closes behind the last.
fn serve(mut stream: TcpStream, talk: &Mutex<Talk>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SERVER_WAITS))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut command = Vec::new();
    while let Some(mut reply) = next(talk) {
        if command.eq_ignore_ascii_case(b"DATA\r\n") && reply.starts_with(b"3") {
            locked(talk).is_asked_for_mail = true;
            stream.write_all(&reply)?;
            if !read_mail(&mut reader)? {
                break;
            }
            reply = next(talk).unwrap_or_default();
            locked(talk).last_word = Some(reply.clone());
        }
        stream.write_all(&reply)?;
        command.clear();
        if locked(talk).replies.is_empty() || reader.read_until(b'\n', &mut command)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Whether the client comes to the dot that ends a mail.
fn read_mail(reader: &mut impl BufRead) -> io::Result<bool> {
    let mut line = Vec::new();
    while line != b".\r\n" {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn next(talk: &Mutex<Talk>) -> Option<Vec<u8>> {
    locked(talk).replies.pop()
}

fn locked(talk: &Mutex<Talk>) -> MutexGuard<'_, Talk> {
    talk.lock().expect("no thread has panicked")
}

fn mail() -> OutgoingEmail {
    let mailbox = |address: &str| Mailbox::new(&EmailAddress::parse(address).expect("an address")).expect("a mailbox");
    OutgoingEmail {
        id: MessageId(Uuid::from_u128(7)),
        from: mailbox("desk@mail.example.com"),
        reply_to: None,
        to: mailbox(ADDRESS),
        subject: Line::new(SUBJECT),
        content: EmailContent::Text(PersonalText::new(TEXT)),
        attachments: Vec::new(),
        unsubscribe: None,
        headers: Vec::new(),
    }
}
