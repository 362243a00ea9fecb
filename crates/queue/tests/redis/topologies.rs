//! Redis in more than one piece.

use std::path::PathBuf;
use std::process::Command;

use queue::backend::{ClaimRequest, NewJob, Outcome};
use queue::redis::RedisQueue;
use queue::{Backend as _, Queue};
use testkit::process::{Program, free_port};
use testkit::redis::Server;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{FAILURE_LIMIT, NOW, ending, fill, job, live_a_life, request, run};

/// A cluster of one node that holds all slots: it refuses calls that touch two of them.
struct Cluster {
    port: u16,
    directory: PathBuf,
    _program: Program,
}

impl Cluster {
    async fn start() -> Self {
        let port = free_port();
        let directory = directory("cluster");
        let mut command = Command::new("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--logfile",
            "",
        ]);
        command.args(["--cluster-enabled", "yes", "--cluster-port", &free_port().to_string()]);
        let program = Program::start(command.arg("--dir").arg(&directory));
        program.wait_for("Ready to accept connections").await;
        let cluster = Self {
            port,
            directory,
            _program: program,
        };
        let node = format!("redis://127.0.0.1:{port}/");
        run(&node, redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16_383));
        timeout(FAILURE_LIMIT, async {
            while !redis::from_redis_value::<String>(run(&node, redis::cmd("CLUSTER").arg("INFO")))
                .unwrap()
                .contains("cluster_state:ok")
            {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        cluster
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

#[tokio::test]
async fn a_cluster_is_a_queue_too() {
    let cluster = Cluster::start().await;
    let queue = RedisQueue::connect(&format!("redis+cluster://127.0.0.1:{}", cluster.port), "test").unwrap();
    let wake = queue.wakes(Queue::Default);
    timeout(FAILURE_LIMIT, wake.notified()).await.expect("it listens");
    let everywhere: Vec<_> = Queue::ALL
        .into_iter()
        .map(|queue| NewJob {
            queue,
            ..job(7, queue as usize)
        })
        .collect();
    fill(&queue, &everywhere).await;
    timeout(FAILURE_LIMIT, wake.notified())
        .await
        .expect("the token arrives");
    for name in Queue::ALL {
        let claimed = queue
            .claim(&ClaimRequest {
                queue: name,
                ..request(0, 10, NOW)
            })
            .await
            .unwrap()
            .jobs;
        let settles: Vec<_> = claimed.iter().map(|claimed| ending(claimed, Outcome::Done)).collect();
        assert_eq!(queue.settle(name, &settles, &[], NOW).await.unwrap(), [true]);
    }
    live_a_life(&queue).await;
    queue.ping().await.unwrap();
    assert!(queue.check().await.unwrap().len() >= 4);
}

/// A sentinel and the one server it watches.
struct Watched {
    url: String,
    directory: PathBuf,
    _server: Server,
    _sentinel: Program,
}

impl Watched {
    async fn start() -> Self {
        let server = Server::start().await;
        let directory = directory("sentinel");
        let (config, port, master) = (directory.join("sentinel.conf"), free_port(), server.address().port());
        std::fs::write(
            &config,
            format!("port {port}\nsentinel monitor main 127.0.0.1 {master} 1\n"),
        )
        .unwrap();
        let mut command = Command::new("redis-server");
        let sentinel =
            Program::start(
                command
                    .arg(&config)
                    .args(["--sentinel", "--bind", "127.0.0.1", "--logfile", ""]),
            );
        sentinel.wait_for("+monitor master main").await;
        Self {
            url: format!("redis+sentinel://127.0.0.1:{port}/main"),
            directory,
            _server: server,
            _sentinel: sentinel,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

#[tokio::test]
async fn the_master_of_sentinels_is_a_queue_too() {
    let watched = Watched::start().await;
    let queue = RedisQueue::connect(&watched.url, "test").unwrap();
    live_a_life(&queue).await;
}

/// A directory for files of a server.
fn directory(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", Uuid::new_v4()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
