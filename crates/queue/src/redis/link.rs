//! The way to Redis: one shared connection that is made when needed and thrown away when in doubt.
//!
//! Nothing here waits for Redis to come back. A call that finds it away fails within its limit, and the next one
//! tries again, so no process needs a restart after Redis was away. A call is not repeated after an unclear answer: a
//! claim or a settle that went through unheard would be taken for somebody else's. So that a restart of Redis does not
//! cost a call either, a connection that was not used for a while is asked for a sign of life first.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo as _, RedisError, RedisResult,
    ServerErrorKind, TlsMode,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::script::Script;
use crate::backend::{CALL_LIMIT, QueueError};

/// The longest one connection attempt takes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest wait for a sign of life.
const PING_TIMEOUT: Duration = Duration::from_millis(400);

/// A connection unused for this long may have died without our notice.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// The one place that knows how Redis is set up.
enum Server {
    /// One instance.
    One(Box<Client>),
    /// Whichever instance the sentinels call the master. Asked anew for every connection.
    Sentinel(Box<Mutex<SentinelClient>>),
    /// A cluster; each queue lies in one slot of it.
    Cluster(Box<ClusterClient>),
}

impl Server {
    /// Reads `redis://…`, `rediss://…`, `redis+sentinel://user:password@host,host/master/database` or
    /// `redis+cluster://user:password@host,host` (both also with `rediss+`).
    fn parse(url: &str) -> RedisResult<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(unreadable());
        };
        let Some((scheme, kind)) = scheme.split_once('+').filter(|(_, kind)| *kind != "unix") else {
            let server = url.into_connection_info()?.set_tcp_settings(tcp_settings());
            return Ok(Self::One(Box::new(Client::open(server)?)));
        };
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (format!("{login}@"), rest),
            None => (String::new(), rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts = hosts.split(',').filter(|host| !host.is_empty());
        match kind {
            "cluster" => {
                let nodes = hosts.map(|host| format!("{scheme}://{login}{host}/"));
                let client = ClusterClient::builder(nodes)
                    .connection_timeout(CONNECT_TIMEOUT)
                    .response_timeout(Duration::from_secs(60))
                    .tcp_settings(tcp_settings())
                    .build()?;
                Ok(Self::Cluster(Box::new(client)))
            }
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                let sentinels = hosts.map(|host| match host.contains(':') {
                    true => format!("{scheme}://{host}/"),
                    false => format!("{scheme}://{host}:26379/"),
                });
                let node = format!("{scheme}://{login}node/{database}").into_connection_info()?;
                let mut login = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(node.redis_settings().clone())
                    .set_tcp_settings(tcp_settings());
                if scheme == "rediss" {
                    login = login.set_tls_mode(TlsMode::Secure);
                }
                let client =
                    SentinelClient::build(sentinels.collect(), master, Some(login), SentinelServerType::Master)?;
                Ok(Self::Sentinel(Box::new(Mutex::new(client))))
            }
            _ => Err(unreadable()),
        }
    }

    /// A new connection. Its answers may take for ever: who calls sets the limit.
    async fn connect(&self) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        Ok(match self {
            Self::One(client) => Connection::One(client.get_multiplexed_async_connection_with_config(&config).await?),
            Self::Sentinel(client) => {
                Connection::One(client.lock().await.get_async_connection_with_config(&config).await?)
            }
            Self::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        })
    }
}

/// Nobody waits for more bytes: the batching is done before.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn unreadable() -> RedisError {
    (ErrorKind::InvalidClientConfig, "not a URL of Redis").into()
}

/// A connection of either kind. Clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    /// To one instance.
    One(MultiplexedConnection),
    /// To the nodes of a cluster.
    Cluster(ClusterConnection),
}

impl Connection {
    /// Asks, and waits for the answer for as long as it takes.
    pub(super) async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    async fn is_alive(&mut self) -> bool {
        let ping = redis::cmd("PING");
        matches!(
            tokio::time::timeout(PING_TIMEOUT, self.query::<()>(&ping)).await,
            Ok(Ok(()))
        )
    }
}

/// The connection in use, if there is one.
#[derive(Default)]
struct Slot {
    connection: Option<(Connection, Instant)>,
    /// Counts the connections, so that a late failure does not throw away the next one.
    number: u64,
}

/// The shared way to Redis.
pub(super) struct Link {
    server: Server,
    slot: Mutex<Slot>,
    /// The longest a call takes, connecting included.
    pub(super) call_limit: Duration,
}

impl Link {
    /// Reads the URL; connects with the first call.
    pub(super) fn new(url: &str) -> Result<Self, QueueError> {
        Ok(Self {
            server: Server::parse(url).map_err(failure)?,
            slot: Mutex::default(),
            call_limit: CALL_LIMIT,
        })
    }

    /// A connection for whoever wants to block on it.
    pub(super) async fn connect_apart(&self) -> RedisResult<Connection> {
        self.server.connect().await
    }

    /// Lets go of the connection; the next call makes a new one.
    pub(super) async fn drop_connection(&self) {
        self.slot.lock().await.connection = None;
    }

    /// Runs a script with `command`, which came from [`Script::on`].
    pub(super) async fn run<T: FromRedisValue>(&self, script: &Script, command: &Cmd) -> Result<T, QueueError> {
        match self.ask(command).await {
            Err(Lost::Refused(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.query::<()>(&script.load()).await?;
                self.query(command).await
            }
            answer => answer.map_err(QueueError::from),
        }
    }

    /// Asks, and waits for the answer no longer than a call may take.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        Ok(self.ask(command).await?)
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Lost> {
        let mut number = None;
        let answer = tokio::time::timeout(self.call_limit, async {
            let (mut connection, used) = self.connection().await?;
            number = Some(used);
            connection.query(command).await
        })
        .await;
        let error = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Lost::Refused(error),
            Err(_) => Lost::InTime(self.call_limit),
        };
        // An answer may still be on its way, or the other side be gone without a word: the next call starts afresh.
        if let Some(number) = number.filter(|_| error.costs_the_connection()) {
            let mut slot = self.slot.lock().await;
            if slot.number == number {
                slot.connection = None;
            }
        }
        Err(error)
    }

    /// The connection in use, or a new one. Whoever comes while it is being made waits for the same one.
    async fn connection(&self) -> RedisResult<(Connection, u64)> {
        let mut slot = self.slot.lock().await;
        let now = Instant::now();
        if let Some((connection, used_at)) = &mut slot.connection {
            let mut connection = connection.clone();
            let idle = now - *used_at > IDLE_TIME;
            *used_at = now;
            if !idle || connection.is_alive().await {
                return Ok((connection, slot.number));
            }
        }
        slot.connection = None;
        slot.number += 1;
        let connection = self.server.connect().await?;
        slot.connection = Some((connection.clone(), now));
        Ok((connection, slot.number))
    }
}

/// Why a call has no answer.
enum Lost {
    /// An error came back, from Redis or from the way there.
    Refused(RedisError),
    /// Nothing came back in time.
    InTime(Duration),
}

impl Lost {
    fn costs_the_connection(&self) -> bool {
        match self {
            // A replica where the master was, after a fail-over, keeps its connections open.
            Self::Refused(error) => {
                error.is_io_error()
                    || error.is_unrecoverable_error()
                    || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
            }
            Self::InTime(_) => true,
        }
    }
}

impl From<Lost> for QueueError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Refused(error) => failure(error),
            Lost::InTime(limit) => Self::Unavailable(format!("no answer within {} ms", limit.as_millis())),
        }
    }
}

/// Whether asking later may help, in the words of Redis.
pub(super) fn failure(error: RedisError) -> QueueError {
    let passes = error.is_io_error()
        || error.is_cluster_error()
        || matches!(
            error.kind(),
            ErrorKind::ClusterConnectionNotFound
                | ErrorKind::MasterNameNotFoundBySentinel
                | ErrorKind::NoValidReplicasFoundBySentinel
                | ErrorKind::Server(
                    ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::ReadOnly
                )
        )
        // A script that runs too long; a full disk; a full memory; too few replicas.
        || matches!(error.code(), Some("BUSY" | "MISCONF" | "OOM" | "NOREPLICAS"));
    if passes {
        QueueError::Unavailable(error.to_string())
    } else {
        QueueError::Broken(error.to_string())
    }
}

/// An answer that this program does not understand.
pub(super) fn misunderstood() -> QueueError {
    QueueError::Broken("an answer of an unknown form".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_url_names_one_instance_or_sentinels_or_a_cluster() {
        let kind = |url| match Server::parse(url) {
            Ok(Server::One(_)) => "one",
            Ok(Server::Sentinel(_)) => "sentinel",
            Ok(Server::Cluster(_)) => "cluster",
            Err(_) => "refused",
        };
        assert_eq!(kind("redis://localhost"), "one");
        assert_eq!(kind("rediss://:secret@redis.example.com:6380/2"), "one");
        assert_eq!(kind("redis+sentinel://:secret@a,b:26380/main/1"), "sentinel");
        assert_eq!(kind("redis+cluster://a:7000,b:7001"), "cluster");
        assert_eq!(kind("postgres://localhost/db"), "refused");
        assert_eq!(kind("redis+other://a"), "refused");
        assert_eq!(kind("localhost:6379"), "refused");
    }
}
