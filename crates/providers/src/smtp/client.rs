//! Sends mail by SMTP.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::Masker;
use lettre::transport::smtp::authentication::Credentials as LettreCredentials;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::session::{Envelope, Server, Session};
use super::{Dkim, SmtpCredentials, mail};
use crate::credentials::UnusableCredentials;
use crate::event::DeliveryStatus;
use crate::excerpt::{BODY_CHARS_MAX, Excerpt};
use crate::outgoing::OutgoingEmail;
use crate::send_error::SendError;
use crate::sender::Sent;

/// How long it may take to be connected: name, TCP, greeting, TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sending a mail may take in all. RFC 5321 (4.5.3.2) would wait ten minutes for the last word alone; here that
/// word is worth less than a worker, because a mail without one is not sent twice but counts as unclear.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// How many connections wait for the next mail.
const IDLE_MAX: usize = 4;
/// How long they wait. Servers wait for five minutes at least (RFC 5321, 4.5.3.2.7).
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How many mails go over one connection. Some servers cut it after a hundred.
const MAILS_MAX: u16 = 50;

/// Sends mail over one server. A clone shares its connections.
#[derive(Clone)]
pub struct SmtpClient(Arc<Inner>);

struct Inner {
    server: Server,
    dkim: Option<Dkim>,
    preview: String,
    /// Name and password, and the forms in which they go over the wire.
    hidden: Vec<SecretString>,
    connect_timeout: Duration,
    send_timeout: Duration,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    session: Session,
    since: Instant,
}

impl SmtpClient {
    /// # Errors
    /// [`UnusableCredentials`] when TLS cannot be set up with the root certificate.
    pub fn new(credentials: &SmtpCredentials) -> Result<Self, UnusableCredentials> {
        Self::with_timeouts(credentials, CONNECT_TIMEOUT, SEND_TIMEOUT)
    }

    /// A client with other limits than [`CONNECT_TIMEOUT`] and [`SEND_TIMEOUT`].
    ///
    /// # Errors
    /// [`UnusableCredentials`] when TLS cannot be set up with the root certificate.
    pub fn with_timeouts(
        credentials: &SmtpCredentials,
        connect: Duration,
        send: Duration,
    ) -> Result<Self, UnusableCredentials> {
        Ok(Self(Arc::new(Inner {
            server: server(credentials)?,
            dkim: credentials.dkim.clone(),
            preview: credentials.preview(),
            hidden: hidden(credentials),
            connect_timeout: connect,
            send_timeout: send,
            idle: Mutex::new(Vec::new()),
        })))
    }

    /// Hands a mail over to the server, dated `now`. What becomes of it then, the server tells in another mail, if at all.
    ///
    /// Its [`Sent::external_id`] is the mail's `Message-ID`, without the angle brackets.
    ///
    /// # Errors
    /// [`SendError`] says whether it surely was not sent.
    pub async fn send(&self, email: &OutgoingEmail, now: DateTime<Utc>) -> Result<Sent, SendError> {
        email.check_size()?;
        let mail = mail::write(email, now, self.0.dkim.as_ref())?;
        let envelope = Envelope {
            from: email.from.to_address(),
            to: email.to.to_address(),
            mail: &mail,
        };
        let by = Instant::now() + self.0.send_timeout;
        // Whoever gives up waiting drops the session with this future, so no half-told mail is ever continued.
        let session = self.session(by).await;
        let mut session = session.map_err(|error| self.masked(error, email))?;
        let outcome = session.hand_over(envelope, by).await;
        self.park(session);
        outcome.map_err(|error| self.masked(error, email))?;
        Ok(Sent {
            external_id: email.message_id(),
            status: DeliveryStatus::Sent,
        })
    }

    /// One that waits and still works, else a new one.
    async fn session(&self, by: Instant) -> Result<Session, SendError> {
        if let Some(mut session) = self.take() {
            if session.reset().await {
                return Ok(session);
            }
            // The server was gone; the others waited at least as long.
            self.idle().clear();
        }
        Session::open(&self.0.server, Instant::now() + self.0.connect_timeout, by).await
    }

    /// The error without what the server repeats of the mail or the login.
    fn masked(&self, error: SendError, email: &OutgoingEmail) -> SendError {
        let Some(excerpt) = error.excerpt.as_deref().cloned() else {
            return error;
        };
        let mut masker = Masker::default();
        email.told().into_iter().for_each(|value| masker.tell(value));
        self.0
            .hidden
            .iter()
            .for_each(|secret| masker.tell(secret.expose_secret()));
        error.about(Excerpt {
            response: excerpt
                .response
                .map(|response| masker.mask(&response).chars().take(BODY_CHARS_MAX).collect()),
            ..excerpt
        })
    }

    fn take(&self) -> Option<Session> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < IDLE_TIMEOUT);
        idle.pop().map(|idle| idle.session)
    }

    fn park(&self, session: Session) {
        if !session.is_good {
            return;
        }
        let mut idle = self.idle();
        if session.mails < MAILS_MAX && idle.len() < IDLE_MAX {
            let since = Instant::now();
            idle.push(Idle { session, since });
        } else {
            tokio::spawn(session.quit());
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name and password as they are, and as `AUTH PLAIN` (RFC 4616) and `AUTH LOGIN` tell them.
fn hidden(credentials: &SmtpCredentials) -> Vec<SecretString> {
    let Some((user, password)) = &credentials.login else {
        return Vec::new();
    };
    let password = password.expose_secret();
    let plain = STANDARD.encode(format!("\0{user}\0{password}"));
    let forms = [
        user.clone(),
        password.to_owned(),
        STANDARD.encode(user),
        STANDARD.encode(password),
        plain,
    ];
    forms.into_iter().map(SecretString::from).collect()
}

fn server(credentials: &SmtpCredentials) -> Result<Server, UnusableCredentials> {
    let mut tls = TlsParameters::builder(credentials.host.clone());
    if let Some(root) = &credentials.root {
        tls = tls.add_root_certificate(root.clone());
    }
    let tls = tls.build();
    let unusable = UnusableCredentials::new("root_certificate", "cannot be used for TLS");
    let login = credentials.login.as_ref();
    Ok(Server {
        host: credentials.host.clone(),
        port: credentials.port,
        security: credentials.security,
        tls: tls.map_err(|_| unusable)?,
        hello: credentials
            .hello
            .clone()
            .map_or_else(ClientId::default, ClientId::Domain),
        login: login.map(|(user, password)| LettreCredentials::new(user.clone(), password.expose_secret().to_owned())),
    })
}

/// Shows the server.
impl fmt::Debug for SmtpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SmtpClient").field(&self.0.preview).finish()
    }
}
