//! What an operator should know about the Redis behind the queue.

use std::collections::HashMap;

use super::RedisQueue;
use crate::backend::{Finding, FindingLevel, QueueError};

/// The first version whose scripts say beforehand what they need, so that a full Redis can still be emptied.
const VERSION_LEAST: u32 = 7;

impl RedisQueue {
    /// Looks at version, persistence and eviction.
    pub(super) async fn check_server(&self) -> Result<Vec<Finding>, QueueError> {
        let mut findings = vec![self.check_version().await?];
        for (name, judge) in SETTINGS {
            findings.push(match self.setting(name).await {
                Ok(value) => judge(&value),
                Err(QueueError::Unavailable(why)) => return Err(QueueError::Unavailable(why)),
                Err(QueueError::Broken(why)) => warning(format!(
                    "`{name}` could not be read ({why}); make sure of it where Redis is set up."
                )),
            });
        }
        Ok(findings)
    }

    async fn check_version(&self) -> Result<Finding, QueueError> {
        let mut command = redis::cmd("INFO");
        let info: redis::Value = self.link.query(command.arg("server")).await?;
        // A cluster answers with one text per node; the oldest node counts.
        let texts = texts(&info);
        let oldest = texts
            .iter()
            .filter_map(|text| version(text))
            .min_by_key(|(major, _)| *major);
        Ok(match oldest {
            Some((major, version)) if major >= VERSION_LEAST => good(format!("Redis {version}.")),
            Some((_, version)) => fault(format!(
                "Redis {version} is too old: the queue's scripts need {VERSION_LEAST}.0, or Valkey."
            )),
            None => warning("Redis does not say which version it is.".into()),
        })
    }

    async fn setting(&self, name: &str) -> Result<String, QueueError> {
        let mut command = redis::cmd("CONFIG");
        let settings: HashMap<String, String> = self.link.query(command.arg("GET").arg(name)).await?;
        settings
            .get(name)
            .cloned()
            .ok_or_else(|| QueueError::Broken("not there".into()))
    }
}

type Judge = fn(&str) -> Finding;

const SETTINGS: [(&str, Judge); 3] = [
    ("appendonly", appendonly),
    ("appendfsync", appendfsync),
    ("maxmemory-policy", maxmemory_policy),
];

fn appendonly(value: &str) -> Finding {
    match value {
        "yes" => good("`appendonly` is on: accepted jobs are on disk.".into()),
        _ => warning("`appendonly` is off: accepted jobs are lost when Redis crashes. Set `appendonly yes`.".into()),
    }
}

fn appendfsync(value: &str) -> Finding {
    match value {
        "always" => good("`appendfsync always`: an accepted job survives a power failure.".into()),
        other => warning(format!(
            "`appendfsync {other}`: a power failure may lose about the last second of accepted jobs. `always` prevents it."
        )),
    }
}

fn maxmemory_policy(value: &str) -> Finding {
    match value {
        "noeviction" => {
            good("`maxmemory-policy noeviction`: a full Redis refuses jobs instead of dropping some.".into())
        }
        other => fault(format!(
            "`maxmemory-policy {other}`: a full Redis would silently drop jobs. Set `maxmemory-policy noeviction`."
        )),
    }
}

fn texts(value: &redis::Value) -> Vec<String> {
    match value {
        redis::Value::Map(nodes) => nodes.iter().flat_map(|(_, text)| texts(text)).collect(),
        redis::Value::Array(parts) => parts.iter().flat_map(texts).collect(),
        text => redis::from_redis_value_ref(text).into_iter().collect(),
    }
}

/// The major version and the whole of it. Valkey's own count goes on from Redis 7.2.
fn version(info: &str) -> Option<(u32, &str)> {
    let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let version = value("valkey_version:").or_else(|| value("redis_version:"))?;
    Some((version.split('.').next()?.parse().ok()?, version))
}

fn good(text: String) -> Finding {
    Finding {
        level: FindingLevel::Good,
        text,
    }
}

fn warning(text: String) -> Finding {
    Finding {
        level: FindingLevel::Warning,
        text,
    }
}

fn fault(text: String) -> Finding {
    Finding {
        level: FindingLevel::Fault,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_may_evict_is_a_fault_and_one_that_may_forget_a_warning() {
        assert_eq!(maxmemory_policy("allkeys-lru").level, FindingLevel::Fault);
        assert_eq!(maxmemory_policy("noeviction").level, FindingLevel::Good);
        assert_eq!(appendonly("no").level, FindingLevel::Warning);
        assert_eq!(appendfsync("everysec").level, FindingLevel::Warning);
        assert_eq!(appendfsync("always").level, FindingLevel::Good);
    }

    #[test]
    fn the_version_is_read_from_redis_and_valkey() {
        assert_eq!(
            version("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"),
            Some((7, "7.0.15"))
        );
        assert_eq!(
            version("redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n"),
            Some((8, "8.1.0"))
        );
        assert_eq!(version("# Server\r\n"), None);
    }
}
