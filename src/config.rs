//! The settings of a process: read once, checked together, all faults named in one message.
//!
//! Each setting is an environment variable; a flag of the same name (`--database-url`) overrides it. [`TABLE`] is the one
//! list of them: the flags, the help, `.env.example` and the README are made from it or checked against it.

mod alerts;
mod fault;
pub mod home;
mod parse;
mod table;

pub use alerts::{AlertMail, AlertSettings, AlertWebhook};
pub use fault::{Fault, Faults};
pub use table::{Fallback, Flags, Setting, TABLE, Values};

use std::net::IpAddr;
use std::time::Duration;

use providers::StandIns;
use queue::Queue;
use seal::Keyring;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// Everything a process is told from outside. `Debug` shows no secret: both addresses may hold a password.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address that is listened on.
    pub host: IpAddr,
    /// The port that is listened on; 0 takes a free one.
    pub port: u16,
    /// The port on which a worker tells how it is; `None` = on none.
    pub worker_port: Option<u16>,
    /// Where everything is remembered.
    pub database: DatabaseSettings,
    /// Where the queue is; `None` = in the database.
    pub redis: Option<RedisSettings>,
    /// What people and providers reach this installation as; without a slash at the end.
    pub public_url: Url,
    /// The keys that secrets and payloads are sealed under.
    pub keyring: Keyring,
    /// Which queues a worker serves, and how many jobs of each it runs at once.
    pub queues: Vec<(Queue, usize)>,
    /// How long a process that was asked to end waits for what it has begun.
    pub shutdown_grace: Duration,
    /// How long a claimed job is its worker's without a sign of life.
    pub job_lease: Duration,
    /// How long a call to the queue may take before it counts as failed.
    pub queue_timeout: Duration,
    /// How many threads take requests.
    pub web_threads: usize,
    /// How many proxies stand before `web`.
    pub proxy_hops: usize,
    /// What stands in for providers; nothing, unless somebody tries something out.
    pub stand_ins: StandIns,
    /// When operators are told that something goes wrong, and how.
    pub alerts: AlertSettings,
    /// How log lines look, and which there are.
    pub log: LogSettings,
}

/// Where everything is remembered.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `sqlite://PATH` or `postgres://…`.
    pub url: SecretString,
    /// How many connections this process opens at most.
    pub connections: u32,
}

impl DatabaseSettings {
    /// Whether it is an SQLite file, which has one writer.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }
}

/// A queue in Redis or Valkey.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// `redis://…` or `rediss://…`.
    pub url: SecretString,
    /// What the name of every key begins with, so that installations can share a server.
    pub prefix: String,
}

/// How log lines look, and which there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// For machines or for people.
    pub format: LogFormat,
    /// Which lines there are, in the words of `RUST_LOG`; `None` = not said.
    pub filter: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For eyes.
    Pretty,
}

impl Settings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All faults at once.
    pub fn read(values: &Values) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let database = faults.take_all(DatabaseSettings::read(values));
        let on_sqlite = database.as_ref().is_some_and(DatabaseSettings::is_sqlite);
        let port = faults.take(values.parsed("PORT", parse::port));
        let settings = Partial {
            host: faults.take(values.parsed("HOST", parse::host)),
            public_url: faults.take(public_url(values, port)),
            port,
            worker_port: faults.take(values.optional("WORKER_PORT", parse::port)),
            redis: faults.take_all(redis(values)),
            keyring: faults.take(values.parsed("RELAIS_KEYS", parse::keyring)),
            queues: faults.take(values.parsed("RELAIS_QUEUES", parse::queues)),
            shutdown_grace: faults.take(values.parsed("SHUTDOWN_GRACE", parse::shutdown_grace)),
            job_lease: faults.take(values.parsed("JOB_LEASE", parse::job_lease)),
            queue_timeout: faults.take(values.parsed("QUEUE_TIMEOUT", parse::queue_timeout)),
            web_threads: faults.take(web_threads(values, on_sqlite)),
            proxy_hops: faults.take(values.parsed("PROXY_HOPS", parse::proxy_hops)),
            stand_ins: faults.take(stand_ins(values)),
            alerts: faults.take_all(AlertSettings::read(values)),
            log: faults.take_all(LogSettings::read(values)),
            database,
        };
        // With no fault noted every part is there, and the other way round.
        settings.complete().ok_or(faults)
    }
}

/// What could be read so far.
struct Partial {
    host: Option<IpAddr>,
    port: Option<u16>,
    worker_port: Option<Option<u16>>,
    database: Option<DatabaseSettings>,
    redis: Option<Option<RedisSettings>>,
    public_url: Option<Url>,
    keyring: Option<Keyring>,
    queues: Option<Vec<(Queue, usize)>>,
    shutdown_grace: Option<Duration>,
    job_lease: Option<Duration>,
    queue_timeout: Option<Duration>,
    web_threads: Option<usize>,
    proxy_hops: Option<usize>,
    stand_ins: Option<StandIns>,
    alerts: Option<AlertSettings>,
    log: Option<LogSettings>,
}

impl Partial {
    fn complete(self) -> Option<Settings> {
        Some(Settings {
            host: self.host?,
            port: self.port?,
            worker_port: self.worker_port?,
            database: self.database?,
            redis: self.redis?,
            public_url: self.public_url?,
            keyring: self.keyring?,
            queues: self.queues?,
            shutdown_grace: self.shutdown_grace?,
            job_lease: self.job_lease?,
            queue_timeout: self.queue_timeout?,
            web_threads: self.web_threads?,
            proxy_hops: self.proxy_hops?,
            stand_ins: self.stand_ins?,
            alerts: self.alerts?,
            log: self.log?,
        })
    }
}

impl DatabaseSettings {
    /// Reads what `migrate` needs, which is no more than this.
    ///
    /// # Errors
    /// All faults at once.
    pub fn read(values: &Values) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let url = faults.take(values.parsed("DATABASE_URL", parse::database_url));
        let connections = faults.take(values.parsed("DATABASE_CONNECTIONS", parse::connections));
        match (url, connections) {
            (Some(url), Some(connections)) => Ok(Self { url, connections }),
            _ => Err(faults),
        }
    }
}

impl LogSettings {
    /// Reads how to log.
    ///
    /// # Errors
    /// All faults at once.
    pub fn read(values: &Values) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let format = faults.take(values.parsed("LOG_FORMAT", parse::log_format));
        let filter = faults.take(values.optional("RUST_LOG", parse::log_filter));
        match (format, filter) {
            (Some(format), Some(filter)) => Ok(Self { format, filter }),
            _ => Err(faults),
        }
    }
}

fn redis(values: &Values) -> Result<Option<RedisSettings>, Faults> {
    let mut faults = Faults::default();
    let url = faults.take(values.optional("REDIS_URL", parse::redis_url));
    let prefix = faults.take(values.parsed("REDIS_PREFIX", parse::redis_prefix));
    match (url, prefix) {
        (Some(url), Some(prefix)) => Ok(url.map(|url| RedisSettings { url, prefix })),
        _ => Err(faults),
    }
}

fn public_url(values: &Values, port: Option<u16>) -> Result<Url, Fault> {
    let given = values.optional("PUBLIC_URL", parse::public_url)?;
    let local =
        || Url::parse(&format!("http://localhost:{}", port.unwrap_or_default())).expect("a host and a port make a URL");
    Ok(given.unwrap_or_else(local))
}

fn stand_ins(values: &Values) -> Result<StandIns, Fault> {
    let given = values.optional("RELAIS_STAND_INS", parse::stand_ins)?;
    Ok(given.unwrap_or_default())
}

/// SQLite has one writer: requests taken by one thread share its fsyncs better than requests that fight for it.
fn web_threads(values: &Values, on_sqlite: bool) -> Result<usize, Fault> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let given = values.optional("WEB_THREADS", parse::web_threads)?;
    Ok(given.unwrap_or_else(|| if on_sqlite { 1 } else { cores() }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        Values::given(|name| {
            pairs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    /// The least that must be given, and `more`.
    fn enough(more: &[(&'static str, &'static str)]) -> Values {
        let keys = Keyring::generate("k1");
        let pairs = [
            &[("DATABASE_URL", "sqlite://a.db"), ("RELAIS_KEYS", keys.as_str())],
            more,
        ]
        .concat();
        values(&pairs)
    }

    fn faults(pairs: &[(&str, &str)]) -> Vec<&'static str> {
        Settings::read(&values(pairs))
            .unwrap_err()
            .0
            .iter()
            .map(|fault| fault.setting)
            .collect()
    }

    #[test]
    fn two_settings_are_enough_and_the_rest_is_as_the_table_says() {
        let settings = Settings::read(&enough(&[])).unwrap();
        assert_eq!((settings.port, settings.host.to_string().as_str()), (8080, "0.0.0.0"));
        assert_eq!(settings.public_url.as_str(), "http://localhost:8080/");
        assert_eq!(
            settings.queues,
            [(Queue::Urgent, 16), (Queue::Default, 32), (Queue::Bulk, 16)]
        );
        assert_eq!(settings.shutdown_grace, Duration::from_secs(25));
        assert_eq!(settings.job_lease, queue::LEASE);
        assert_eq!(settings.web_threads, 1);
        assert_eq!(
            settings.log,
            LogSettings {
                format: LogFormat::Json,
                filter: None
            }
        );
        assert!(settings.redis.is_none());
    }

    #[test]
    fn all_faults_are_named_at_once_and_no_value_is_repeated() {
        let faults = Settings::read(&values(&[
            ("DATABASE_URL", "mysql://root:hunter2@db/relais"),
            ("REDIS_URL", "hunter2"),
            ("PORT", "80800"),
            ("RELAIS_QUEUES", "urgent=0,later=3"),
            ("SHUTDOWN_GRACE", "soon"),
            ("RUST_LOG", "a=b=c"),
        ]));
        let text = faults.unwrap_err().to_string();
        for name in [
            "DATABASE_URL",
            "REDIS_URL",
            "PORT",
            "RELAIS_KEYS is missing",
            "RELAIS_QUEUES",
            "SHUTDOWN_GRACE",
            "RUST_LOG",
        ] {
            assert!(text.contains(name), "{name} in:\n{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_empty_variable_counts_as_missing() {
        assert_eq!(
            faults(&[("DATABASE_URL", ""), ("RELAIS_KEYS", "  "), ("PORT", "")]),
            ["DATABASE_URL", "RELAIS_KEYS"]
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let values = enough(&[("REDIS_URL", "redis://:hunter2@cache:6379")]);
        let settings = Settings::read(&values).unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("a.db"), "{shown}");
    }

    #[test]
    fn the_public_address_follows_the_port_unless_it_is_given() {
        let public = |more| Settings::read(&enough(more)).unwrap().public_url.to_string();
        assert_eq!(public(&[("PORT", "9000")]), "http://localhost:9000/");
        assert_eq!(
            public(&[("PUBLIC_URL", "https://relais.example.com")]),
            "https://relais.example.com/"
        );
    }

    #[test]
    fn many_threads_take_requests_where_many_can_write() {
        let keys = Keyring::generate("k1");
        let on_postgres = values(&[("DATABASE_URL", "postgres://db/relais"), ("RELAIS_KEYS", &keys)]);
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(Settings::read(&on_postgres).unwrap().web_threads, cores);
    }
}
