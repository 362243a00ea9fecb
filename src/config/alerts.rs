//! When operators are told that something goes wrong, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::EmailAddress;
use domain::alert::Thresholds;
use percent_encoding::percent_decode_str;
use providers::outgoing::Mailbox;
use providers::smtp::{Security, SmtpCredentials};
use queue::Queue;
use secrecy::SecretString;
use url::{Host, Url};

use super::fault::{Fault, Faults};
use super::parse::{number, span};
use super::table::{Setting, Values};

const COUNT_MAX: u64 = 1_000_000;
/// From the first mark of a ready job on it is looked at every few seconds, so a shorter time would say little.
const WAIT_MIN: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// When operators are told that something goes wrong, and how. `Debug` shows neither a secret nor an address.
#[derive(Clone, Debug)]
pub struct AlertSettings {
    /// From which figure on something is wrong.
    pub thresholds: Thresholds,
    /// Where it is posted, if anywhere.
    pub webhook: Option<AlertWebhook>,
    /// Who is written a mail, if anybody.
    pub mail: Option<AlertMail>,
}

/// Where alerts are posted.
#[derive(Clone)]
pub struct AlertWebhook {
    /// http or https.
    pub url: Url,
    /// What is posted there is signed with this.
    pub secret: SecretString,
}

/// How alerts are mailed.
#[derive(Clone, Debug)]
pub struct AlertMail {
    /// To whom.
    pub to: Mailbox,
    /// From whom.
    pub from: Mailbox,
    /// By which server.
    pub server: SmtpCredentials,
}

impl std::fmt::Debug for AlertWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AlertWebhook(…)")
    }
}

impl AlertSettings {
    /// Reads what belongs to alerts.
    ///
    /// # Errors
    /// All faults at once.
    pub fn read(values: &Values) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let oldest_ready = faults.take(values.parsed("ALERT_OLDEST_READY", oldest_ready));
        let dead_letters = faults.take(values.parsed("ALERT_DEAD_LETTERS", count));
        let signature_failures = faults.take(values.parsed("ALERT_SIGNATURE_FAILURES", count));
        let webhook = faults.take_all(webhook(values));
        let mail = faults.take_all(mail(values));
        match (oldest_ready, dead_letters, signature_failures, webhook, mail) {
            (Some(oldest_ready), Some(dead_letters), Some(signature_failures), Some(webhook), Some(mail)) => Ok(Self {
                thresholds: Thresholds {
                    oldest_ready,
                    dead_letters,
                    signature_failures,
                },
                webhook,
                mail,
            }),
            _ => Err(faults),
        }
    }
}

fn webhook(values: &Values) -> Result<Option<AlertWebhook>, Faults> {
    let mut faults = Faults::default();
    let both = together(values, ["ALERT_WEBHOOK_URL", "ALERT_WEBHOOK_SECRET"], &mut faults);
    let url = faults.take(values.optional("ALERT_WEBHOOK_URL", webhook_url));
    let secret = faults.take(values.optional("ALERT_WEBHOOK_SECRET", webhook_secret));
    match (both, url, secret) {
        (true, Some(url), Some(secret)) => Ok(url.zip(secret).map(|(url, secret)| AlertWebhook { url, secret })),
        _ => Err(faults),
    }
}

fn mail(values: &Values) -> Result<Option<AlertMail>, Faults> {
    let mut faults = Faults::default();
    let all = together(
        values,
        ["ALERT_EMAIL_TO", "ALERT_EMAIL_FROM", "ALERT_SMTP_URL"],
        &mut faults,
    );
    let to = faults.take(values.optional("ALERT_EMAIL_TO", mailbox));
    let from = faults.take(values.optional("ALERT_EMAIL_FROM", mailbox));
    let server = faults.take(values.optional("ALERT_SMTP_URL", smtp_url));
    match (all, to, from, server) {
        (true, Some(to), Some(from), Some(server)) => Ok(to
            .zip(from)
            .zip(server)
            .map(|((to, from), server)| AlertMail { to, from, server })),
        _ => Err(faults),
    }
}

/// Whether all of these are given, or none is; notes those that are missing.
fn together<const N: usize>(values: &Values, names: [&'static str; N], faults: &mut Faults) -> bool {
    let missing: Vec<_> = names.into_iter().filter(|name| !values.has(name)).collect();
    let is_whole = missing.is_empty() || missing.len() == N;
    if !is_whole {
        for name in missing {
            faults.take(Err::<(), Fault>(Setting::named(name).missing()));
        }
    }
    is_whole
}

fn oldest_ready(text: &str) -> Result<BTreeMap<String, Duration>, String> {
    let mut most = BTreeMap::new();
    for (index, entry) in text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .enumerate()
    {
        let fault = |why: &str| format!("entry {} {why}", index + 1);
        let (name, time) = entry
            .split_once('=')
            .ok_or_else(|| fault("is not of the form NAME=TIME"))?;
        let queue = Queue::named(name.trim()).ok_or_else(|| fault("names no queue"))?;
        let time = span(time.trim(), WAIT_MIN..=WAIT_MAX).map_err(|why| fault(&format!("has a bad time: {why}")))?;
        if most.insert(queue.name().to_owned(), time).is_some() {
            return Err(fault("names a queue for the second time"));
        }
    }
    Ok(most)
}

fn count(text: &str) -> Result<u64, String> {
    number(text, 0..=COUNT_MAX)
}

fn webhook_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "it does not parse as a URL")?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_plain {
        return Err("it must begin with https:// (or http://), name a host and no user".into());
    }
    Ok(url)
}

fn webhook_secret(text: &str) -> Result<SecretString, String> {
    let secret = SecretString::from(text);
    match jobs::hooks::may_sign(&secret) {
        true => Ok(secret),
        false => Err("it is no secret of Standard Webhooks".into()),
    }
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    let address = EmailAddress::parse(text).map_err(|_| "it is no address")?;
    Mailbox::new(&address).map_err(|_| "no mail can be sent to it".into())
}

fn smtp_url(text: &str) -> Result<SmtpCredentials, String> {
    let url = Url::parse(text).map_err(|_| "it does not parse as a URL")?;
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or("it names no host")?;
    let (security, port) = match url.scheme() {
        "smtps" => (Security::Tls, 465),
        "smtp" if is_this_machine(host) => (Security::None, 25),
        "smtp" => (Security::StartTls, 587),
        _ => return Err("it must begin with smtp:// or smtps://".into()),
    };
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !is_bare {
        return Err("it must end with the host or the port".into());
    }
    let server = SmtpCredentials::new(host, url.port().unwrap_or(port), security).map_err(|why| why.to_string())?;
    match url.password() {
        None if url.username().is_empty() => Ok(server),
        None => Err("it has a user and no password".into()),
        Some(password) => {
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let password = SecretString::from(decoded(password));
            let login = server.with_login(&decoded(url.username()), &password);
            login.map_err(|why| why.to_string())
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECRET: &str = "whsec_YW4taW52ZW50ZWQtd2ViaG9vay1zZWNyZXQ=";

    fn read(pairs: &[(&str, &str)]) -> Result<AlertSettings, String> {
        let given = |name: &str| {
            pairs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        AlertSettings::read(&Values::given(given)).map_err(|faults| faults.to_string())
    }

    #[test]
    fn without_any_setting_there_are_thresholds_and_nobody_is_told() {
        let settings = read(&[]).unwrap();
        let seconds: Vec<_> = settings
            .thresholds
            .oldest_ready
            .iter()
            .map(|(queue, most)| (queue.as_str(), most.as_secs()))
            .collect();
        assert_eq!(seconds, [("bulk", 3600), ("default", 300), ("urgent", 60)]);
        assert_eq!(
            (settings.thresholds.dead_letters, settings.thresholds.signature_failures),
            (10, 20)
        );
        assert!(settings.webhook.is_none() && settings.mail.is_none());
    }

    #[test]
    fn what_belongs_together_is_asked_for_together() {
        let faults = read(&[
            ("ALERT_WEBHOOK_URL", "http://10.0.0.7/alerts"),
            ("ALERT_EMAIL_TO", "ops@example.com"),
        ]);
        let faults = faults.unwrap_err();
        for named in [
            "ALERT_WEBHOOK_SECRET is missing",
            "ALERT_EMAIL_FROM is missing",
            "ALERT_SMTP_URL is missing",
        ] {
            assert!(faults.contains(named), "{faults}");
        }
        assert!(
            !faults.contains("ALERT_WEBHOOK_URL") && !faults.contains("ops@example.com"),
            "{faults}"
        );
    }

    #[test]
    fn whoever_is_to_be_told_may_be_on_a_private_network_and_nothing_of_it_is_shown() {
        let settings = read(&[
            ("ALERT_WEBHOOK_URL", "http://10.0.0.7/alerts?token=hunter2"),
            ("ALERT_WEBHOOK_SECRET", SECRET),
            ("ALERT_EMAIL_TO", "ops@example.com"),
            ("ALERT_EMAIL_FROM", "relais@example.com"),
            ("ALERT_SMTP_URL", "smtp://relais:hunter2%2B@mail.example.com"),
        ]);
        let settings = settings.unwrap();
        let shown = format!("{settings:?}");
        assert!(settings.webhook.is_some() && settings.mail.is_some());
        for hidden in ["hunter2", "ops@", SECRET] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert!(shown.contains("mail.example.com:587"), "{shown}");
    }

    #[test]
    fn a_mail_server_is_an_address_of_smtp() {
        for good in [
            "smtp://127.0.0.1:2525",
            "smtps://u:p@mail.example.com",
            "smtp://mail.example.com:587/",
        ] {
            assert!(smtp_url(good).is_ok(), "{good}");
        }
        for bad in [
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://u@mail.example.com",
            "smtps://h/x",
        ] {
            assert!(smtp_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wait_is_given_by_queue() {
        let check = |text: &str, expected: Result<usize, &str>| {
            assert_eq!(
                oldest_ready(text).map(|most| most.len()),
                expected.map_err(str::to_owned),
                "{text}"
            );
        };
        check("urgent=2m", Ok(1));
        check("", Ok(0));
        check("slow=2m", Err("entry 1 names no queue"));
        check("bulk=1s", Err("entry 1 has a bad time: it is out of range"));
        check("bulk=2m,bulk=3m", Err("entry 2 names a queue for the second time"));
        check("bulk", Err("entry 1 is not of the form NAME=TIME"));
    }
}
