//! The one list of settings, and where their values come from.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::fault::Fault;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// The flag: the same in small letters with hyphens.
    pub flag: &'static str,
    /// What it is when nothing is given.
    pub default: Fallback,
    /// What it means, in a sentence or two.
    pub meaning: &'static str,
    /// What to set it to, in words that follow "is missing: " or "is not usable: …; ".
    pub hint: &'static str,
}

/// What a setting is when nothing is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This text, read like a given one.
    Is(&'static str),
    /// It follows from something else; the text says from what.
    From(&'static str),
    /// It must be given.
    Required,
}

impl Fallback {
    /// For tables that people read.
    #[must_use]
    pub const fn shown(self) -> &'static str {
        match self {
            Self::Is(text) | Self::From(text) => text,
            Self::Required => "required",
        }
    }
}

const fn setting(
    name: &'static str,
    flag: &'static str,
    default: Fallback,
    meaning: &'static str,
    hint: &'static str,
) -> Setting {
    Setting {
        name,
        flag,
        default,
        meaning,
        hint,
    }
}

/// The one setting for trying things out: what stands in for providers, as JSON, by provider. It is in no list, because
/// nobody's messages should go anywhere else by mistake.
const HIDDEN: Setting = setting(
    "RELAIS_STAND_INS",
    "relais-stand-ins",
    Fallback::From("none"),
    "What stands in for providers.",
    "use a JSON object of base URLs by provider, for example `{\"twilio\":\"http://127.0.0.1:4000/twilio\"}`",
);

/// All settings.
pub const TABLE: &[Setting] = &[
    setting(
        "DATABASE_URL",
        "database-url",
        Fallback::Required,
        "Where everything is remembered: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`.",
        "set it to `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`, for example `sqlite://relais.db`",
    ),
    setting(
        "RELAIS_KEYS",
        "relais-keys",
        Fallback::Required,
        "The keys that secrets and payloads are sealed under: `id:` and 32 bytes in base64, comma separated. \
         The first seals, all of them open.",
        "set it to `id:` and 32 random bytes in base64, for example `k1:$(openssl rand -base64 32)`",
    ),
    setting(
        "REDIS_URL",
        "redis-url",
        Fallback::From("none: the queue is in the database"),
        "Redis or Valkey for the queue: `redis://HOST:PORT`, `rediss://…` with TLS, `redis+cluster://HOST,HOST`, or \
         `redis+sentinel://HOST,HOST/MASTER`.",
        "set it to `redis://HOST:PORT`, or `rediss://…` with TLS, or leave it out to keep the queue in the database",
    ),
    setting(
        "REDIS_PREFIX",
        "redis-prefix",
        Fallback::Is("relais"),
        "What the name of every key in Redis begins with, so that installations can share a server.",
        "use 1 to 40 letters, digits, `-`, `_`, `.` or `:`",
    ),
    setting(
        "PUBLIC_URL",
        "public-url",
        Fallback::From("http://localhost:PORT"),
        "What providers reach this installation as; the addresses of webhooks begin with it.",
        "set it to the address from outside, for example `https://relais.example.com`",
    ),
    setting(
        "HOST",
        "host",
        Fallback::Is("0.0.0.0"),
        "The address that `web` listens on; `dev` keeps to 127.0.0.1.",
        "set it to an IP address: `127.0.0.1` for this machine only, `0.0.0.0` or `::` for all",
    ),
    setting(
        "PORT",
        "port",
        Fallback::Is("8080"),
        "The port that `web` listens on; 0 takes a free one.",
        "use 0 to 65535",
    ),
    setting(
        "WORKER_PORT",
        "worker-port",
        Fallback::From("none"),
        "The port on which `worker` answers `/health`, `/ready` and `/metrics`.",
        "use 1 to 65535, another one for each worker of a machine, or leave it out",
    ),
    setting(
        "RELAIS_QUEUES",
        "relais-queues",
        Fallback::Is("urgent=16,default=32,bulk=16"),
        "Which queues `worker` serves, and how many jobs of each it runs at once.",
        "use `NAME=NUMBER`, comma separated, out of `urgent`, `default` and `bulk`, for example `urgent=16,default=32`",
    ),
    setting(
        "JOB_LEASE",
        "job-lease",
        Fallback::Is("30s"),
        "How long a job belongs to a worker that gives no sign of life. A crashed worker's jobs run elsewhere after it.",
        "use up to 10m, and 5s more than the longest time-out of a job, for example `30s`",
    ),
    setting(
        "SHUTDOWN_GRACE",
        "shutdown-grace",
        Fallback::Is("25s"),
        "How long a process that was asked to end (SIGTERM) waits for what it has begun.",
        "use 0s to 10m, for example `25s`",
    ),
    setting(
        "QUEUE_TIMEOUT",
        "queue-timeout",
        Fallback::Is("1400ms"),
        "How long a call to the queue may take. What is not surely kept by then is answered 503, to be sent again.",
        "use 100ms to 1m, less than senders wait for their answer, for example `1400ms`",
    ),
    setting(
        "WEB_THREADS",
        "web-threads",
        Fallback::From("one per core; 1 on SQLite"),
        "How many threads take requests.",
        "use 1 to 256",
    ),
    setting(
        "PROXY_HOPS",
        "proxy-hops",
        Fallback::Is("0"),
        "How many proxies stand before `web`: so many entries from the end of X-Forwarded-For say where a request came from.",
        "use 0 to 10",
    ),
    setting(
        "DATABASE_CONNECTIONS",
        "database-connections",
        Fallback::Is("8"),
        "How many database connections a `worker`, or each thread of `web`, opens at most. \
         A queue in Postgres takes up to 6 more.",
        "use 1 to 1000, and count all processes against what the server allows",
    ),
    setting(
        "ALERT_WEBHOOK_URL",
        "alert-webhook-url",
        Fallback::From("none"),
        "Where `clock` posts alerts, signed by Standard Webhooks; may be on a private network.",
        "use an http or https address without a user, and set ALERT_WEBHOOK_SECRET too, or leave both out",
    ),
    setting(
        "ALERT_WEBHOOK_SECRET",
        "alert-webhook-secret",
        Fallback::From("none"),
        "What they are signed with.",
        "use `whsec_` and 24 to 64 random bytes in base64, for example `whsec_$(openssl rand -base64 32)`",
    ),
    setting(
        "ALERT_EMAIL_TO",
        "alert-email-to",
        Fallback::From("none"),
        "Whom `clock` writes a mail about alerts.",
        "use one address, and set ALERT_EMAIL_FROM and ALERT_SMTP_URL too, or leave all three out",
    ),
    setting(
        "ALERT_EMAIL_FROM",
        "alert-email-from",
        Fallback::From("none"),
        "Whom these mails come from.",
        "use one address that the server of ALERT_SMTP_URL sends for",
    ),
    setting(
        "ALERT_SMTP_URL",
        "alert-smtp-url",
        Fallback::From("none"),
        "The server that these mails go by: `smtp://USER:PASSWORD@HOST:587` with STARTTLS, `smtps://…` with TLS from the \
         first byte. Only on this machine itself, `smtp://127.0.0.1:25` is not encrypted.",
        "use `smtp://HOST` or `smtps://HOST`, if need be with a user, a password and a port",
    ),
    setting(
        "ALERT_OLDEST_READY",
        "alert-oldest-ready",
        Fallback::Is("urgent=1m,default=5m,bulk=1h"),
        "For how long a job of each queue may be ready before there is an alert. A queue that is not named has none.",
        "use `NAME=TIME`, comma separated, out of `urgent`, `default` and `bulk`, from 1m to 24h, for example `default=5m`",
    ),
    setting(
        "ALERT_DEAD_LETTERS",
        "alert-dead-letters",
        Fallback::Is("10"),
        "How many dead letters more within 10 minutes make an alert about a queue; 0: none do.",
        "use 0 to 1000000",
    ),
    setting(
        "ALERT_SIGNATURE_FAILURES",
        "alert-signature-failures",
        Fallback::Is("20"),
        "How many requests without a good signature within 10 minutes make an alert about an endpoint; 0: none do.",
        "use 0 to 1000000",
    ),
    setting(
        "LOG_FORMAT",
        "log-format",
        Fallback::Is("json"),
        "How log lines look: `json` for machines, `pretty` for eyes (which `dev` does by itself).",
        "use `json` or `pretty`",
    ),
    setting(
        "RUST_LOG",
        "rust-log",
        Fallback::From("info; warn for commands that end by themselves"),
        "Which log lines there are: a level, or levels by module.",
        "use for example `info`, `debug` or `warn,queue=debug`",
    ),
];

impl Setting {
    /// The setting of that name.
    ///
    /// # Panics
    /// When there is none: a fault of the program text.
    pub(super) fn named(name: &str) -> &'static Self {
        (TABLE.iter().chain([&HIDDEN]))
            .find(|setting| setting.name == name)
            .unwrap_or_else(|| panic!("{name} is not in the table"))
    }

    /// A fault of this setting that says what is wrong with its value.
    pub(super) fn not_usable(&self, why: &str) -> Fault {
        Fault {
            setting: self.name,
            text: format!("is not usable: {why}; {}", self.hint),
        }
    }

    /// A fault of this setting that says that it has to be given.
    pub(super) fn missing(&self) -> Fault {
        Fault {
            setting: self.name,
            text: format!("is missing: {}", self.hint),
        }
    }
}

/// The settings given as flags.
#[derive(Clone, Default)]
pub struct Flags(BTreeMap<&'static str, String>);

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        TABLE.iter().fold(command, |command, setting| {
            let argument = Arg::new(setting.name)
                .long(setting.flag)
                .value_name("VALUE")
                .help(format!(
                    "{} [{}: {}]",
                    setting.meaning,
                    setting.name,
                    setting.default.shown()
                ))
                .help_heading("Settings (each is an environment variable too)")
                .hide_short_help(true)
                .global(true);
            let argument = if setting.name == "RELAIS_QUEUES" {
                argument.visible_alias("queues")
            } else {
                argument
            };
            command.arg(argument)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |setting: &Setting| matches.get_one::<String>(setting.name).cloned();
        Ok(Self(
            TABLE
                .iter()
                .filter_map(|setting| Some((setting.name, given(setting)?)))
                .collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values given, by flag or environment. No `Debug`: some are secrets.
#[derive(Clone)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// Takes each setting from its flag or, without one, from the environment.
    #[must_use]
    pub fn from_environment(flags: &Flags) -> Self {
        let of_environment = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self::given(|name| flags.0.get(name).cloned().or_else(|| of_environment(name)))
    }

    /// Takes each setting from `value`. Empty is the same as not given.
    pub fn given(value: impl Fn(&str) -> Option<String>) -> Self {
        let trimmed = |name: &str| {
            value(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let known = TABLE.iter().chain([&HIDDEN]);
        Self(
            known
                .filter_map(|setting| Some((setting.name, trimmed(setting.name)?)))
                .collect(),
        )
    }

    /// Whether the setting is given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Gives a setting a value, unless it has one.
    pub fn or_set(&mut self, name: &str, value: impl Into<String>) {
        self.0.entry(Setting::named(name).name).or_insert_with(|| value.into());
    }

    /// Reads a setting that must be given or has a default.
    pub(super) fn parsed<T>(&self, name: &str, parse: fn(&str) -> Result<T, String>) -> Result<T, Fault> {
        let setting = Setting::named(name);
        let text = match (self.0.get(name), setting.default) {
            (Some(given), _) => given.as_str(),
            (None, Fallback::Is(default)) => default,
            (None, _) => return Err(setting.missing()),
        };
        parse(text).map_err(|why| setting.not_usable(&why))
    }

    /// Reads a setting that may be left out.
    pub(super) fn optional<T>(&self, name: &str, parse: fn(&str) -> Result<T, String>) -> Result<Option<T>, Fault> {
        let given = self.0.get(name).map(|text| parse(text));
        given.transpose().map_err(|why| Setting::named(name).not_usable(&why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_the_name_of_its_variable() {
        for setting in TABLE {
            assert_eq!(setting.flag, setting.name.to_lowercase().replace('_', "-"));
        }
    }
}
