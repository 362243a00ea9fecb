//! The real program in a process of its own, watched through what it prints and steered by signals.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// How long a wait may take before the test fails. Never reached when all is well, however slow the machine.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// Where ports are looked for, and how often.
const PORT_FIRST: u16 = 20_000;
const PORT_COUNT: u16 = 12_000;
const PORT_ATTEMPTS: usize = 100;

/// A signal that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: please finish.
    Terminate,
    /// SIGINT: what Ctrl-C sends.
    Interrupt,
    /// SIGSTOP: frozen, until [`Signal::Continue`]. What a machine under memory pressure or a paused VM looks like.
    Stop,
    /// SIGCONT: go on after [`Signal::Stop`].
    Continue,
    /// SIGUSR1, whatever the program makes of it.
    User1,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
            Self::User1 => "USR1",
        }
    }
}

/// Where a line was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

/// Everything printed so far. Two threads fill it, so that the program never blocks on a full pipe.
#[derive(Debug, Default)]
struct Output {
    printed: Mutex<Printed>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Printed {
    lines: Vec<(Stream, String)>,
    streams_ended: usize,
}

impl Printed {
    fn ended(&self) -> bool {
        self.streams_ended == 2
    }
}

/// What a finished program left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
}

/// A running program. Killed on drop.
#[derive(Debug)]
pub struct Program {
    child: Mutex<Child>,
    output: Arc<Output>,
}

impl Program {
    /// Starts `command` with its output captured and nothing on standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} did not start: {error}", command.get_program()));
        let output = Arc::new(Output::default());
        read_lines(
            child.stdout.take().expect("standard output is piped"),
            Stream::Stdout,
            &output,
        );
        read_lines(
            child.stderr.take().expect("standard error is piped"),
            Stream::Stderr,
            &output,
        );
        Self {
            child: Mutex::new(child),
            output,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// Waits for a line that contains `text`, on either stream, and answers that line. A line printed before the
    /// call counts.
    ///
    /// # Panics
    /// When the program ends without printing it, or a minute passes. Shows what was printed instead.
    pub async fn wait_for(&self, text: &str) -> String {
        self.wait_for_nth(text, 1).await
    }

    /// Waits until `text` was printed in `count` lines, and answers the last of them.
    ///
    /// # Panics
    /// As [`Program::wait_for`].
    pub async fn wait_for_nth(&self, text: &str, count: usize) -> String {
        match self.find_nth(text, count).await {
            Some(line) => line,
            None => panic!(
                "the program ended without printing {text:?} {count} times; it printed:\n{}",
                self.output()
            ),
        }
    }

    /// Waits until a line contains `text` (`true`) or the program ends without one (`false`).
    ///
    /// # Panics
    /// When a minute passes.
    pub async fn prints(&self, text: &str) -> bool {
        self.find_nth(text, 1).await.is_some()
    }

    /// Sends `signal`; after [`Signal::Stop`] it returns when the program stands still. Does nothing when the program
    /// has ended.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&self, signal: Signal) {
        let mut child = self.child();
        // The child is not reaped while we hold the lock, so its id cannot belong to somebody else by now.
        if child.try_wait().expect("our own child can be waited for").is_some() {
            return;
        }
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", signal.name(), &child.id().to_string()])
            .status()
            .expect("`sh` can be started");
        assert!(sent.success(), "{signal:?} could not be sent");
        if signal == Signal::Stop {
            wait_until_stopped(child.id());
        }
    }

    /// `kill -9`, and waits for the end. Does nothing when the program has ended.
    pub fn kill(&self) {
        let mut child = self.child();
        // An error means that it has ended, which is what we want.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits for the program to end by itself.
    ///
    /// # Panics
    /// When a minute passes.
    pub async fn finished(&self) -> Finished {
        self.until(|printed| printed.ended().then_some(())).await;
        let status = self.child().wait().expect("our own child can be waited for");
        Finished {
            status,
            stdout: self.text_of(Stream::Stdout),
            stderr: self.text_of(Stream::Stderr),
        }
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.child()
            .try_wait()
            .expect("our own child can be waited for")
            .is_none()
    }

    /// Everything printed so far, both streams.
    pub fn output(&self) -> String {
        text(&self.output.lock(), |_| true)
    }

    fn text_of(&self, wanted: Stream) -> String {
        text(&self.output.lock(), |stream| stream == wanted)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find_nth(&self, text: &str, count: usize) -> Option<String> {
        let text = text.to_owned();
        self.until(move |printed| {
            let found = printed
                .lines
                .iter()
                .filter(|(_, line)| line.contains(&text))
                .nth(count.saturating_sub(1));
            match found {
                Some((_, line)) => Some(Some(line.clone())),
                None => printed.ended().then_some(None),
            }
        })
        .await
    }

    /// Waits on a thread of its own, so that the test's runtime goes on, also when its clock is paused.
    async fn until<T: Send + 'static>(&self, decide: impl Fn(&Printed) -> Option<T> + Send + 'static) -> T {
        let output = Arc::clone(&self.output);
        let decided = tokio::task::spawn_blocking(move || output.until(decide))
            .await
            .expect("the wait does not panic");
        decided.unwrap_or_else(|| panic!("nothing for {WAIT_LIMIT:?}; the program printed:\n{}", self.output()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks `decide` after every new line until it has an answer; `None` when [`WAIT_LIMIT`] passes.
    fn until<T>(&self, decide: impl Fn(&Printed) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + WAIT_LIMIT;
        let mut printed = self.lock();
        loop {
            if let Some(decision) = decide(&printed) {
                return Some(decision);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            printed = self
                .changed
                .wait_timeout(printed, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

fn text(printed: &Printed, wanted: impl Fn(Stream) -> bool) -> String {
    let mut text = String::new();
    for (_, line) in printed.lines.iter().filter(|(stream, _)| wanted(*stream)) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A signal is on its way for a moment. The kernel tells when it has arrived, but only to those who ask, so this asks
/// again and again. Where there is no `/proc` the moment is left to chance.
fn wait_until_stopped(id: u32) {
    let deadline = Instant::now() + WAIT_LIMIT;
    while let Some((state, _)) = state(id) {
        if state == 'T' {
            return;
        }
        assert!(Instant::now() < deadline, "the program does not stop");
        std::thread::yield_now();
    }
}

/// The processes that this one has started. None are known where there is no `/proc`.
pub fn children_of(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| state(*id).is_some_and(|(_, of)| of == parent))
        .collect()
}

/// Whether a process has not ended; one that nobody has waited for yet has.
pub fn is_alive(id: u32) -> bool {
    state(id).is_some_and(|(state, _)| state != 'Z')
}

/// The state of a process and who started it. They follow the program's name, which stands in brackets and may contain anything.
fn state(id: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn read_lines(pipe: impl Read + Send + 'static, stream: Stream, output: &Arc<Output>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = reader.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            output.lock().lines.push((stream, text));
            output.changed.notify_all();
            line.clear();
        }
        output.lock().streams_ended += 1;
        output.changed.notify_all();
    });
}

/// A port of this machine that nobody listens on right now, below those that the system gives to outgoing connections: a
/// server that is restarted finds it free again. Another process may take it first; whoever can should bind port 0 instead
/// and print what it got.
///
/// # Panics
/// When no port is free.
pub fn free_port() -> u16 {
    (0..PORT_ATTEMPTS)
        .map(|_| PORT_FIRST + Uuid::new_v4().as_fields().1 % PORT_COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a port is free")
}
