//! How a mail server is reached.

use std::fmt;

use lettre::transport::smtp::client::Certificate;
use secrecy::SecretString;
use url::Host;

use super::Dkim;
use crate::base_url::is_loopback;
use crate::credentials::UnusableCredentials;
use crate::preview;

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// From the first byte, usually on port 465.
    Tls,
    /// After the server agreed, usually on port 587. A server that does not agree gets neither password nor mail.
    StartTls,
    /// Not at all: for a server on a loopback address only.
    None,
}

/// A mail server, and how we show who we are.
#[derive(Clone)]
pub struct SmtpCredentials {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) login: Option<(String, SecretString)>,
    pub(super) dkim: Option<Dkim>,
    pub(super) root: Option<Certificate>,
    pub(super) hello: Option<String>,
}

impl SmtpCredentials {
    /// A server that takes mail from whoever reaches it.
    ///
    /// # Errors
    /// [`UnusableCredentials`] when `host` is none, or not on this machine and `security` is [`Security::None`].
    pub fn new(host: &str, port: u16, security: Security) -> Result<Self, UnusableCredentials> {
        let parsed = Host::parse(host).map_err(|_| UnusableCredentials::new("host", "is no host"))?;
        if security == Security::None && !is_loopback(&parsed) {
            return Err(UnusableCredentials::new(
                "security",
                "may be none for a loopback address only",
            ));
        }
        if port == 0 {
            return Err(UnusableCredentials::new("port", "must not be 0"));
        }
        let host = match parsed {
            Host::Domain(name) => name,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self {
            host,
            port,
            security,
            login: None,
            dkim: None,
            root: None,
            hello: None,
        })
    }

    /// With a name and a password.
    ///
    /// # Errors
    /// [`UnusableCredentials`] when one of them is empty or has control characters.
    pub fn with_login(self, user: &str, password: &SecretString) -> Result<Self, UnusableCredentials> {
        UnusableCredentials::check_text("username", user)?;
        UnusableCredentials::check_secret("password", password)?;
        Ok(Self {
            login: Some((user.to_owned(), password.clone())),
            ..self
        })
    }

    /// With a key that mails are signed with.
    #[must_use]
    pub fn with_dkim(self, dkim: Dkim) -> Self {
        Self {
            dkim: Some(dkim),
            ..self
        }
    }

    /// With a certificate in PEM that servers may be vouched for by, beside those that everybody trusts.
    ///
    /// # Errors
    /// [`UnusableCredentials`] when it is none.
    pub fn with_root_certificate(self, pem: &str) -> Result<Self, UnusableCredentials> {
        let unusable = || UnusableCredentials::new("root_certificate", "is no certificate in PEM");
        let has_any = pem.contains("-----BEGIN CERTIFICATE-----");
        let root = Certificate::from_pem(pem.as_bytes()).ok().filter(|_| has_any);
        Ok(Self {
            root: Some(root.ok_or_else(unusable)?),
            ..self
        })
    }

    /// With the name that we greet the server by, instead of this machine's.
    ///
    /// # Errors
    /// [`UnusableCredentials`] when it is no name of a host.
    pub fn with_hello(self, name: &str) -> Result<Self, UnusableCredentials> {
        match Host::parse(name) {
            Ok(Host::Domain(name)) => Ok(Self {
                hello: Some(name),
                ..self
            }),
            _ => Err(UnusableCredentials::new("hello", "is no name of a host")),
        }
    }

    /// What may be shown of it: `smtp.example.com:587 as desk…`.
    #[must_use]
    pub fn preview(&self) -> String {
        let server = format!("{}:{}", self.host, self.port);
        match &self.login {
            Some((user, _)) => format!("{server} as {}", preview::short(user)),
            None => server,
        }
    }
}

/// Shows what [`preview`](Self::preview) does.
impl fmt::Debug for SmtpCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpCredentials({}, {:?})", self.preview(), self.security)
    }
}
