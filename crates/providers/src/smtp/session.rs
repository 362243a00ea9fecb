//! One connection to a mail server, and the stages of handing over a mail.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use lettre::transport::smtp::{self};
use tokio::time::{Instant, timeout, timeout_at};

use super::Security;
use super::error::{Stage, lost, meaning};
use crate::send_error::{Class, SendError};

/// How long a server may take to say that a connection is still good.
const RESET_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a server may take to say goodbye.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a session leads to.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) tls: TlsParameters,
    pub(super) hello: ClientId,
    pub(super) login: Option<Credentials>,
}

/// A mail with its envelope.
pub(super) struct Envelope<'a> {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) mail: &'a [u8],
}

/// One connection.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    /// How many mails were tried on it.
    pub(super) mails: u16,
    /// Whether the server is waiting for the next command, as far as we know.
    pub(super) is_good: bool,
}

impl Session {
    /// Connects, encrypts and logs in.
    pub(super) async fn open(server: &Server, connected_by: Instant, by: Instant) -> Result<Self, SendError> {
        let connection = step(Stage::Greeting, connected_by.min(by), connect(server)).await??;
        let mut session = Self {
            connection,
            mails: 0,
            is_good: true,
        };
        if let Some(login) = &server.login {
            let login = session.connection.auth(&[Mechanism::Plain, Mechanism::Login], login);
            reply(Stage::Login, by, login, Severity::PositiveCompletion).await?;
        }
        Ok(session)
    }

    /// Whether the connection still works. Whatever was begun on it is forgotten by the server.
    pub(super) async fn reset(&mut self) -> bool {
        let reset = timeout(RESET_TIMEOUT, self.connection.command(Rset)).await;
        reset.is_ok_and(|reply| reply.is_ok())
    }

    /// Says goodbye, as a client has to (RFC 5321, 4.1.1.10).
    pub(super) async fn quit(mut self) {
        // Nothing depends on the answer.
        let _ = timeout(QUIT_TIMEOUT, self.connection.command(Quit)).await;
    }

    /// Hands a mail over. With `Ok` the server has it.
    pub(super) async fn hand_over(&mut self, envelope: Envelope<'_>, by: Instant) -> Result<(), SendError> {
        use Severity::{PositiveCompletion, PositiveIntermediate};
        let is_ascii = AsRef::<str>::as_ref(&envelope.from).is_ascii() && AsRef::<str>::as_ref(&envelope.to).is_ascii();
        let parameters = if is_ascii {
            Vec::new()
        } else if self.connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            vec![MailParameter::SmtpUtfEight]
        } else {
            let detail = "the server takes no addresses with other letters than those of ASCII";
            return Err(SendError::rejected(Class::Recipient, "smtputf8", detail));
        };
        self.mails += 1;
        // Only a clean end, or a clean refusal, leaves it good.
        self.is_good = false;
        let connection = &mut self.connection;
        let outcome = async {
            let from = connection.command(Mail::new(Some(envelope.from), parameters));
            reply(Stage::From, by, from, PositiveCompletion).await?;
            let recipient = connection.command(Rcpt::new(envelope.to, Vec::new()));
            reply(Stage::Recipient, by, recipient, PositiveCompletion).await?;
            reply(Stage::Content, by, connection.command(Data), PositiveIntermediate).await?;
            content(connection, envelope.mail, by).await
        };
        let outcome = outcome.await;
        self.is_good = match &outcome {
            Ok(()) => true,
            Err(error) => error.code.starts_with(|c: char| c.is_ascii_digit()) && !error.code.starts_with("421"),
        };
        outcome
    }
}

async fn connect(server: &Server) -> Result<Result<AsyncSmtpConnection, SendError>, smtp::Error> {
    let address = (server.host.as_str(), server.port);
    let tls = (server.security == Security::Tls).then(|| server.tls.clone());
    let mut connection = AsyncSmtpConnection::connect_tokio1(address, None, &server.hello, tls, None).await?;
    if server.security == Security::StartTls {
        if !connection.can_starttls() {
            let detail = "the server offers no STARTTLS, and nothing is sent in clear";
            return Ok(Err(SendError::rejected(Class::Configuration, "starttls", detail)));
        }
        connection.starttls(server.tls.clone(), &server.hello).await?;
    }
    Ok(Ok(connection))
}

/// Sends the content and the dot that ends it, and waits for the server's last word.
async fn content(connection: &mut AsyncSmtpConnection, mail: &[u8], by: Instant) -> Result<(), SendError> {
    // lettre asks for the next piece when it has written the one before, and writes the dot when there is none. So
    // before it has asked for a second one, the dot surely is not on its way.
    let is_written = AtomicBool::new(false);
    let end = std::iter::from_fn(|| {
        is_written.store(true, Ordering::Relaxed);
        None
    });
    let sent = timeout_at(by, connection.message_iter(std::iter::once(mail).chain(end))).await;
    let stage = if is_written.load(Ordering::Relaxed) {
        Stage::End
    } else {
        Stage::Content
    };
    match sent {
        Err(_) => Err(lost(stage, "timeout")),
        Ok(Err(error)) => Err(meaning(stage, &error)),
        Ok(Ok(response)) => expect(stage, &response, Severity::PositiveCompletion),
    }
}

async fn reply(
    stage: Stage,
    by: Instant,
    command: impl Future<Output = Result<Response, smtp::Error>>,
    expected: Severity,
) -> Result<(), SendError> {
    let response = step(stage, by, command).await?;
    expect(stage, &response, expected)
}

async fn step<T>(
    stage: Stage,
    by: Instant,
    work: impl Future<Output = Result<T, smtp::Error>>,
) -> Result<T, SendError> {
    match timeout_at(by, work).await {
        Err(_) => Err(lost(stage, "timeout")),
        Ok(Err(error)) => Err(meaning(stage, &error)),
        Ok(Ok(done)) => Ok(done),
    }
}

/// lettre takes 2yz and 3yz alike. A server that says one for the other is out of step with us.
fn expect(stage: Stage, response: &Response, expected: Severity) -> Result<(), SendError> {
    if response.code().severity == expected {
        Ok(())
    } else {
        Err(lost(stage, "reply"))
    }
}
