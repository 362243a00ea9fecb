//! A Postgres server of one's own, which can be killed and started again.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use testkit::process::{Program, Signal, children_of, free_port, is_alive};

/// More than `web`, a clock and commands take, and than each worker does: few enough to be filled.
const CONNECTIONS_OF_OTHERS: usize = 60;
const CONNECTIONS_OF_A_WORKER: usize = 20;

/// After a SIGKILL the next start waits for the processes that were left behind.
const START_ATTEMPTS: usize = 100;
const START_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How often, and for how long at most, it is looked whether the processes of a killed server are gone.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// The server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    binaries: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    connections: usize,
    program: Program,
    directory: TempDir,
}

impl Server {
    /// Makes an empty one for an installation with so many workers and starts it.
    ///
    /// # Errors
    /// When Postgres is not installed or does not start.
    pub(crate) async fn start(workers: usize) -> anyhow::Result<Self> {
        let binaries = binaries().context("Postgres is not installed; bin/test installs it")?;
        let user = not_root()?;
        let directory = tempfile::tempdir()?;
        if let Some((user, group)) = user {
            // Postgres runs as another user, who has to come in.
            chown(directory.path(), Some(user), Some(group))?;
            std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700))?;
        }
        let mut initdb = command(&binaries.join("initdb"), user);
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        let made = initdb.arg("--pgdata").arg(data(&directory)).output()?;
        ensure!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = free_port();
        let connections = CONNECTIONS_OF_OTHERS + CONNECTIONS_OF_A_WORKER * workers;
        let program = launch(&binaries, user, &directory, port, connections).await?;
        Ok(Self {
            binaries,
            user,
            port,
            connections,
            program,
            directory,
        })
    }

    /// How to connect to it, as superuser, by this port.
    pub(crate) fn url_by(port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    /// Where it listens; the same after a restart.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`. Its children find out by themselves and end; until then each may finish what it does, and what it answers is
    /// true. Returns when nobody is left.
    ///
    /// # Errors
    /// When somebody is left after ten seconds.
    pub(crate) async fn kill(&self) -> anyhow::Result<()> {
        // Nobody new comes while they are counted.
        self.program.signal(Signal::Stop);
        let children = children_of(self.program.id());
        self.program.kill();
        let gone = async {
            while children.iter().any(|child| is_alive(*child)) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let in_time = tokio::time::timeout(GONE_WITHIN, gone).await;
        in_time.context("processes of a Postgres that was killed go on")
    }

    /// Stops it in order: everybody is disconnected.
    pub(crate) async fn stop(&self) {
        self.program.signal(Signal::Interrupt);
        self.program.finished().await;
    }

    /// Starts it again.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        let Self {
            binaries, directory, ..
        } = self;
        self.program = launch(binaries, self.user, directory, self.port, self.connections).await?;
        Ok(())
    }
}

async fn launch(
    binaries: &Path,
    user: Option<(u32, u32)>,
    directory: &TempDir,
    port: u16,
    connections: usize,
) -> anyhow::Result<Program> {
    let mut printed = String::new();
    for _ in 0..START_ATTEMPTS {
        let mut postgres = command(&binaries.join("postgres"), user);
        postgres.arg("-D").arg(data(directory)).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            &format!("max_connections={connections}"),
        ] {
            postgres.args(["-c", setting]);
        }
        let program = Program::start(&mut postgres);
        if program.prints("ready to accept connections").await {
            return Ok(program);
        }
        printed = program.output();
        tokio::time::sleep(START_AGAIN_AFTER).await;
    }
    bail!("Postgres does not start:\n{printed}")
}

fn data(directory: &TempDir) -> PathBuf {
    directory.path().join("data")
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

/// The directory with `initdb` and `postgres`: on Debian they are not in the PATH.
fn binaries() -> Option<PathBuf> {
    let has_both = |directory: &PathBuf| directory.join("initdb").exists() && directory.join("postgres").exists();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .map(|version| version.path().join("bin"))
        .filter(has_both)
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.pop().or_else(|| std::env::split_paths(&path).find(has_both))
}

/// Postgres refuses to run as root: then it runs as the user `postgres`.
fn not_root() -> anyhow::Result<Option<(u32, u32)>> {
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line.context("there is no user `postgres`")?.split(':').skip(2);
    let mut number = || fields.next().unwrap_or_default().parse();
    Ok(Some((number()?, number()?)))
}
