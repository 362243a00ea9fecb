//! How each setting's text is read. Errors say what is wrong and never repeat the text.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use queue::Queue;
use seal::Keyring;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::LogFormat;

const CONCURRENCY_MAX: usize = 10_000;
const SPAN_MAX: Duration = Duration::from_secs(600);
const PREFIX_CHARACTERS_MAX: usize = 40;

pub(super) fn database_url(text: &str) -> Result<SecretString, String> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.trim_start_matches("//").split('?').next().unwrap_or_default();
        if path.is_empty() {
            return Err("it names no file".into());
        }
        if path.contains(":memory:") || text.contains("mode=memory") {
            return Err("a database in memory is lost with the process".into());
        }
    } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let url = Url::parse(text).map_err(|error| format!("it does not parse as a URL ({error})"))?;
        // Without a host the socket's directory may be given as a parameter.
        if !url.has_host() && !url.query_pairs().any(|(name, _)| name == "host") {
            return Err("it names no host".into());
        }
    } else {
        return Err("it must begin with sqlite:// or postgres://".into());
    }
    Ok(text.into())
}

pub(super) fn redis_url(text: &str) -> Result<SecretString, String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("it does not begin with redis:// or rediss://")?;
    if !scheme.starts_with("redis") && !scheme.starts_with("valkey") {
        return Err("it must begin with redis:// or rediss://".into());
    }
    // Not parsed as a URL, which has one host; a Cluster or Sentinel has several, behind commas.
    let hosts = rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts);
    if hosts.is_empty() || hosts.starts_with(['/', '?', ':', ',']) && !scheme.ends_with("unix") {
        return Err("it names no host".into());
    }
    Ok(text.into())
}

pub(super) fn redis_prefix(text: &str) -> Result<String, String> {
    // A brace would change which part of a key decides its place in a Redis Cluster.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if !text.chars().all(allowed) {
        return Err("it has a character that is not allowed".into());
    }
    if text.len() > PREFIX_CHARACTERS_MAX {
        return Err("it is too long".into());
    }
    Ok(text.to_owned())
}

pub(super) fn public_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it does not parse as a URL ({error})"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("it must begin with https:// (or http://) and name a host".into());
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("it must have no user, no `?` and no `#`".into());
    }
    Ok(url)
}

pub(super) fn keyring(text: &str) -> Result<Keyring, String> {
    Keyring::parse(text).map_err(|error| error.to_string())
}

pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "it is not an IP address".into())
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "it is not a port number".into())
}

pub(super) fn connections(text: &str) -> Result<u32, String> {
    number(text, 1..=1000)
}

pub(super) fn web_threads(text: &str) -> Result<usize, String> {
    number(text, 1..=256)
}

pub(super) fn proxy_hops(text: &str) -> Result<usize, String> {
    number(text, 0..=10)
}

pub(super) fn queues(text: &str) -> Result<Vec<(Queue, usize)>, String> {
    let mut queues: Vec<(Queue, usize)> = Vec::new();
    for (index, entry) in text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .enumerate()
    {
        let fault = |why: &str| format!("entry {} {why}", index + 1);
        let (name, concurrency) = entry
            .split_once('=')
            .ok_or_else(|| fault("is not of the form NAME=NUMBER"))?;
        let queue = Queue::named(name.trim()).ok_or_else(|| fault("names no queue"))?;
        let concurrency = number(concurrency.trim(), 1..=CONCURRENCY_MAX)
            .map_err(|why| fault(&format!("has a bad number: {why}")))?;
        if queues.iter().any(|(known, _)| *known == queue) {
            return Err(fault("names a queue for the second time"));
        }
        queues.push((queue, concurrency));
    }
    if queues.is_empty() {
        Err("it names no queue".into())
    } else {
        Ok(queues)
    }
}

pub(super) fn job_lease(text: &str) -> Result<Duration, String> {
    let lease = span(text, Duration::from_secs(1)..=SPAN_MAX)?;
    // A lease that ends before its job could would let two workers run it at once.
    match jobs::registry().too_slow_for(lease).as_slice() {
        [] => Ok(lease),
        slow => Err(format!("it is too short for the time-out of: {}", slow.join(", "))),
    }
}

pub(super) fn shutdown_grace(text: &str) -> Result<Duration, String> {
    span(text, Duration::ZERO..=SPAN_MAX)
}

pub(super) fn queue_timeout(text: &str) -> Result<Duration, String> {
    span(text, Duration::from_millis(100)..=Duration::from_secs(60))
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "json" => Ok(LogFormat::Json),
        "pretty" => Ok(LogFormat::Pretty),
        _ => Err("it is not a format".into()),
    }
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|_| "it does not parse".into())
}

pub(super) fn span(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let span = duration(text).ok_or("it is not a time such as `500ms`, `25s` or `2m`")?;
    if range.contains(&span) {
        Ok(span)
    } else {
        Err("it is out of range".into())
    }
}

/// A whole number and its unit: `500ms`, `25s`, `2m`, `1h`.
fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok()?;
    let unit_ms = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(unit_ms).map(Duration::from_millis)
}

pub(super) fn number<N: FromStr + PartialOrd>(text: &str, range: RangeInclusive<N>) -> Result<N, String> {
    let number = text.parse().map_err(|_| "it is not a whole number")?;
    if range.contains(&number) {
        Ok(number)
    } else {
        Err("it is out of range".into())
    }
}

pub(super) fn stand_ins(text: &str) -> Result<providers::StandIns, String> {
    jobs::outside::stand_ins(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_is_a_number_and_its_unit() {
        let check = |text: &str, expected_ms: Option<u64>| {
            assert_eq!(duration(text), expected_ms.map(Duration::from_millis), "{text}");
        };
        check("500ms", Some(500));
        check("25s", Some(25_000));
        check("2 m", Some(120_000));
        check("1h", Some(3_600_000));
        for wrong in [
            "",
            "25",
            "s",
            "-1s",
            "1.5s",
            "1d",
            "1s2",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn queues_are_named_once_each_with_a_positive_number() {
        let check = |text: &str, expected: Result<Vec<(Queue, usize)>, &str>| {
            assert_eq!(
                queues(text).map_err(|why| why.clone()),
                expected.map_err(str::to_owned),
                "{text}"
            );
        };
        check("urgent=1, bulk = 2,", Ok(vec![(Queue::Urgent, 1), (Queue::Bulk, 2)]));
        check(",", Err("it names no queue"));
        check("urgent", Err("entry 1 is not of the form NAME=NUMBER"));
        check("urgent=1,slow=1", Err("entry 2 names no queue"));
        check("urgent=1,urgent=2", Err("entry 2 names a queue for the second time"));
        check("urgent=0", Err("entry 1 has a bad number: it is out of range"));
        check("urgent=x", Err("entry 1 has a bad number: it is not a whole number"));
    }

    #[test]
    fn a_database_is_a_file_or_a_postgres() {
        for good in [
            "sqlite://a.db",
            "sqlite:///var/a.db",
            "sqlite:a.db?mode=rwc",
            "postgres://u:p@h/d",
            "postgresql://h",
            "postgres:///d?host=/run/postgresql",
        ] {
            assert!(database_url(good).is_ok(), "{good}");
        }
        for bad in [
            "a.db",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://a?mode=memory",
            "mysql://h/d",
            "postgres://",
            "postgres://h:port/d",
        ] {
            assert!(database_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_queue_server_and_a_public_address_name_a_host() {
        for good in [
            "redis://h",
            "rediss://:p@h:6380/0",
            "redis+unix:///run/redis.sock",
            "redis+cluster://a:1,b:2",
        ] {
            assert!(redis_url(good).is_ok(), "{good}");
        }
        for bad in ["h:6379", "redis://", "redis:///0", "redis://:p@", "http://h"] {
            assert!(redis_url(bad).is_err(), "{bad}");
        }
        for good in [
            "https://relais.example.com",
            "http://localhost:8080/",
            "https://h/under/here",
        ] {
            assert!(public_url(good).is_ok(), "{good}");
        }
        for bad in [
            "relais.example.com",
            "ftp://h",
            "https://u:p@h",
            "https://h/?a=b",
            "https://h/#a",
        ] {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }
}
