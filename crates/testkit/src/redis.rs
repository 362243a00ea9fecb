//! Redis for tests: a corner of the shared server, or a server of one's own that can be killed.

use std::process::Command;

use redis::{Commands as _, Connection, RedisResult};
use tempfile::TempDir;
use uuid::Uuid;

use crate::process::{Program, free_port};

/// Names the server that tests share.
pub const URL_VARIABLE: &str = "TEST_REDIS_URL";

/// How many keys one round trip removes.
const REMOVE_BATCH: usize = 500;

/// How often a start is tried when another process takes the chosen port first.
const START_ATTEMPTS: usize = 5;

/// A corner of the shared server. Keys that have its prefix in their names (perhaps behind a hash tag's brace) are removed on
/// drop.
#[derive(Debug)]
pub struct TempRedis {
    url: String,
    prefix: String,
}

impl TempRedis {
    /// The shared server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What every key of the test has to start with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn remove_all(&self) -> RedisResult<()> {
        let mut connection = connect(&self.url)?;
        let keys = connection
            .scan_match::<_, Vec<u8>>(format!("*{}*", self.prefix))?
            .collect::<RedisResult<Vec<Vec<u8>>>>()?;
        for batch in keys.chunks(REMOVE_BATCH) {
            connection.unlink::<_, ()>(batch)?;
        }
        Ok(())
    }
}

impl Drop for TempRedis {
    fn drop(&mut self) {
        // Only reported: a panic in a drop during another panic would hide why the test failed.
        if let Err(error) = self.remove_all() {
            eprintln!("keys under {} stay behind: {error}", self.prefix);
        }
    }
}

/// A corner of the shared server under a prefix nobody else has.
///
/// # Panics
/// When [`URL_VARIABLE`] is not set.
pub fn fresh() -> TempRedis {
    TempRedis {
        url: crate::service_url(URL_VARIABLE),
        prefix: format!("test-{}:", Uuid::new_v4().simple()),
    }
}

/// A `redis-server` of one's own, which writes everything to disk before it answers. Killed on drop.
#[derive(Debug)]
pub struct Server {
    port: u16,
    url: String,
    program: Program,
    directory: TempDir,
}

impl Server {
    /// Starts one on a free port, with an empty directory, and returns when it takes connections.
    ///
    /// # Panics
    /// When `redis-server` is not installed or does not start.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        for _ in 0..START_ATTEMPTS {
            let port = free_port();
            let program = launch(port, &directory);
            if program.prints("Ready to accept connections").await {
                return Self {
                    port,
                    url: format!("redis://127.0.0.1:{port}/"),
                    program,
                    directory,
                };
            }
            let output = program.output();
            assert!(output.contains("in use"), "redis-server did not start:\n{output}");
        }
        panic!("redis-server found no free port in {START_ATTEMPTS} attempts")
    }

    /// How to connect to it; the same after a restart.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens, for a [`Proxy`](crate::Proxy) in front of it.
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The process, to stop it (SIGSTOP) and let it go on.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// `kill -9`: what it had not written to disk is lost.
    pub fn kill(&self) {
        self.program.kill();
    }

    /// Starts it again on the same port with what is on disk, and returns when it takes connections. Kills it first
    /// if it still runs.
    ///
    /// # Panics
    /// When it does not come up again.
    pub async fn restart(&mut self) {
        self.program.kill();
        self.program = launch(self.port, &self.directory);
        self.program.wait_for("Ready to accept connections").await;
    }
}

fn launch(port: u16, directory: &TempDir) -> Program {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    command
        .args(["--daemonize", "no", "--logfile", ""])
        .arg("--dir")
        .arg(directory.path());
    Program::start(&mut command)
}

fn connect(url: &str) -> RedisResult<Connection> {
    redis::Client::open(url)?.get_connection()
}
