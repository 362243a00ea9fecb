//! Lines on their way out: collected in memory, written in large pieces by one thread.
//!
//! The first line wakes the thread, which lets more gather for [`GATHER`] before it writes: a wake-up for each line would
//! cost a busy process more than the lines themselves.
//!
//! Nobody waits for the pipe unless it is so slow that [`WAITING_BYTES_MAX`] collect; then loggers wait, because a line
//! that is lost is the one that somebody will look for.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Destination;

const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long lines gather; what a process that is killed may not have written.
const GATHER: Duration = Duration::from_millis(5);
/// So many bytes are written without waiting for more.
const ENOUGH_BYTES: usize = 64 * 1024;

/// How long a process that ends waits for a reader that does not read.
const FLUSH_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    /// The thread is writing what it took.
    writing: bool,
    /// Somebody waits for all to be written.
    hurry: bool,
}

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    arrived: Condvar,
    written: Condvar,
    destination: Destination,
}

/// Takes lines from any thread. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Writer(Arc<Shared>);

impl Writer {
    /// Starts the thread.
    pub(super) fn start(destination: Destination) -> Self {
        let writer = Self::stopped(destination);
        let shared = Arc::clone(&writer.0);
        let out = move |lines: &[u8]| match destination {
            Destination::Stdout => write(&mut io::stdout().lock(), lines),
            Destination::Stderr => write(&mut io::stderr().lock(), lines),
        };
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || shared.write_for_ever(out));
        thread.expect("a process can start its first thread");
        writer
    }

    fn stopped(destination: Destination) -> Self {
        Self(Arc::new(Shared {
            lines: Mutex::default(),
            arrived: Condvar::new(),
            written: Condvar::new(),
            destination,
        }))
    }

    pub(super) fn is_terminal(&self) -> bool {
        match self.0.destination {
            Destination::Stdout => io::stdout().is_terminal(),
            Destination::Stderr => io::stderr().is_terminal(),
        }
    }

    /// Takes a line, its end included.
    pub(super) fn push(&self, line: &[u8]) {
        let mut lines = self.0.lock();
        while lines.waiting.len() > WAITING_BYTES_MAX {
            lines = self.0.written.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
        let before = lines.waiting.len();
        lines.waiting.extend_from_slice(line);
        // While it writes, or gathers, it will look again by itself.
        let begins = before == 0 && !lines.writing;
        let enough = before < ENOUGH_BYTES && lines.waiting.len() >= ENOUGH_BYTES;
        if begins || enough {
            self.0.arrived.notify_one();
        }
    }

    /// Returns when all lines taken so far are written, or nobody reads them.
    pub(super) fn flush(&self) {
        let busy = |lines: &mut Lines| lines.writing || !lines.waiting.is_empty();
        let mut lines = self.0.lock();
        lines.hurry = true;
        self.0.arrived.notify_one();
        drop(self.0.written.wait_timeout_while(lines, FLUSH_WAIT, busy));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self, mut out: impl FnMut(&[u8])) {
        let mut taken = Vec::new();
        loop {
            let nothing = |lines: &mut Lines| lines.waiting.is_empty();
            let mut lines = self
                .arrived
                .wait_while(self.lock(), nothing)
                .unwrap_or_else(PoisonError::into_inner);
            let few = |lines: &mut Lines| lines.waiting.len() < ENOUGH_BYTES && !lines.hurry;
            (lines, _) = self
                .arrived
                .wait_timeout_while(lines, GATHER, few)
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut lines.waiting, &mut taken);
            lines.writing = true;
            drop(lines);
            out(&taken);
            taken.clear();
            let mut lines = self.lock();
            lines.writing = false;
            lines.hurry &= !lines.waiting.is_empty();
            drop(lines);
            self.written.notify_all();
        }
    }
}

/// A log that cannot be written is no reason to stop working.
fn write(out: &mut impl Write, lines: &[u8]) {
    drop(out.write_all(lines).and_then(|()| out.flush()));
}

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_line_of_every_thread_is_written_before_a_flush_returns() {
        let writer = Writer::stopped(Destination::Stdout);
        let written = Arc::new(Mutex::new(Vec::new()));
        let (shared, sink) = (Arc::clone(&writer.0), Arc::clone(&written));
        std::thread::spawn(move || shared.write_for_ever(|lines| sink.lock().unwrap().extend_from_slice(lines)));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| writer.push(b"a line\n")));
            }
        });
        writer.flush();
        assert_eq!(*written.lock().unwrap(), b"a line\n".repeat(4000));
    }
}
