//! The installation's processes, and somebody who starts them again.
//!
//! What the run ends is started again, as a supervisor would. What ends by itself is started again too, but that is a
//! finding: no outage may demand a restart.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use testkit::process::{Program, Signal};

use crate::versions::Version;

/// Between two looks at whether everybody lives.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A worker that is asked to end does so within its grace (25 s), and some.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// The lines of a process that ended by itself that are shown.
const LINES_SHOWN: usize = 12;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Web,
    Clock,
    Worker,
}

/// How processes are started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The program under test.
    pub(crate) relais: PathBuf,
    /// The settings of every process, which are all of its environment.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Where what processes printed is kept.
    pub(crate) logs: PathBuf,
}

/// All processes. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    launch: Launch,
    slots: Vec<Mutex<Slot>>,
    findings: Mutex<Vec<String>>,
}

/// The place of one process.
#[derive(Debug)]
struct Slot {
    role: Role,
    name: String,
    version: Option<Version>,
    started: usize,
    /// None while it is to be away.
    program: Option<Program>,
}

impl Fleet {
    /// Starts `web`, a clock and so many workers.
    pub(crate) fn start(launch: Launch, workers: usize) -> Self {
        let mut roles = vec![(Role::Web, "web".to_owned()), (Role::Clock, "clock".to_owned())];
        roles.extend((1..=workers).map(|number| (Role::Worker, format!("worker-{number}"))));
        let slots = roles.into_iter().map(|(role, name)| {
            Mutex::new(Slot {
                role,
                name,
                version: None,
                started: 0,
                program: None,
            })
        });
        let fleet = Self {
            slots: slots.collect(),
            launch,
            findings: Mutex::default(),
        };
        (0..fleet.slots.len()).for_each(|place| fleet.put(place, None));
        fleet
    }

    /// The places of all processes of a role.
    pub(crate) fn places(&self, role: Role) -> Vec<usize> {
        let is_meant = |place: &usize| self.slot(*place).role == role;
        (0..self.slots.len()).filter(is_meant).collect()
    }

    /// `kill -9`. The place is empty then.
    pub(crate) fn kill(&self, place: usize) {
        let mut slot = self.slot(place);
        if let Some(program) = slot.program.take() {
            program.kill();
            self.keep_log(&slot, &program);
        }
    }

    /// SIGTERM; waits for the end. The place is empty then.
    pub(crate) async fn end(&self, place: usize) {
        let Some(program) = self.slot(place).program.take() else {
            return;
        };
        program.signal(Signal::Terminate);
        let ended = async {
            while program.is_running() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let in_time = tokio::time::timeout(ENDS_WITHIN, ended).await;
        let slot = self.slot(place);
        if in_time.is_err() {
            self.find(format!("{} did not end when it was asked to", slot.name));
            program.kill();
        }
        self.keep_log(&slot, &program);
    }

    /// Freezes a process or lets it go on.
    pub(crate) fn signal(&self, place: usize, signal: Signal) {
        if let Some(program) = &self.slot(place).program {
            program.signal(signal);
        }
    }

    /// Starts a process in this place, which is empty; of another version than the present one, if one is named.
    pub(crate) fn put(&self, place: usize, version: Option<Version>) {
        let mut slot = self.slot(place);
        slot.version = version;
        slot.program = Some(Program::start(&mut self.command(&slot)));
        slot.started += 1;
    }

    /// Looks after everybody for ever.
    pub(crate) async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            for place in 0..self.slots.len() {
                self.look(place);
            }
        }
    }

    /// What should not have happened.
    pub(crate) fn findings(&self) -> Vec<String> {
        self.lock_findings().clone()
    }

    /// Keeps what everybody printed so far.
    pub(crate) fn keep_logs(&self) {
        for place in 0..self.slots.len() {
            let slot = self.slot(place);
            if let Some(program) = &slot.program {
                self.keep_log(&slot, program);
            }
        }
    }

    fn look(&self, place: usize) {
        let mut slot = self.slot(place);
        let Some(program) = slot.program.take_if(|program| !program.is_running()) else {
            return;
        };
        let printed = program.output();
        let from = printed.lines().count().saturating_sub(LINES_SHOWN);
        let last: Vec<_> = printed.lines().skip(from).collect();
        self.find(format!("{} ended by itself:\n{}", slot.name, last.join("\n")));
        self.keep_log(&slot, &program);
        slot.program = Some(Program::start(&mut self.command(&slot)));
        slot.started += 1;
    }

    fn command(&self, slot: &Slot) -> Command {
        let mut command = match slot.version {
            None => Command::new(&self.launch.relais),
            // This program, whichever file it was started from.
            Some(_) => Command::new("/proc/self/exe"),
        };
        match (slot.role, slot.version) {
            (Role::Worker, Some(version)) => command.args(["worker", "--version", version.name()]),
            (Role::Worker, None) => command.arg("worker"),
            (Role::Web, _) => command.arg("web"),
            (Role::Clock, _) => command.arg("clock"),
        };
        let settings = self.launch.settings.iter().map(|(name, value)| (*name, value));
        command.env_clear().envs(settings);
        command
    }

    fn keep_log(&self, slot: &Slot, program: &Program) {
        let path = self.launch.logs.join(format!("{}.{}.log", slot.name, slot.started));
        if let Err(error) = std::fs::write(&path, program.output()) {
            eprintln!("chaos: {} cannot be written: {error}", path.display());
        }
    }

    fn find(&self, finding: String) {
        eprintln!("chaos: {finding}");
        self.lock_findings().push(finding);
    }

    fn slot(&self, place: usize) -> MutexGuard<'_, Slot> {
        self.slots[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_findings(&self) -> MutexGuard<'_, Vec<String>> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
