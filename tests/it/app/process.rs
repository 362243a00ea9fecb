//! Starting the real program with an installation's settings.

use std::process::{Command, Output};

use serde_json::Value;
use testkit::process::Program;

/// What the installation's processes are told through their environment.
#[derive(Clone, Debug)]
pub(super) struct Environment(Vec<(&'static str, String)>);

impl Environment {
    pub(super) fn new(settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(settings.into_iter().collect())
    }

    /// The same with some settings replaced or added.
    pub(super) fn with(&self, settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let mut all = self.0.clone();
        for (name, value) in settings {
            all.retain(|(known, _)| *known != name);
            all.push((name, value));
        }
        Self(all)
    }

    pub(super) fn get(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.0.iter().map(|(name, value)| (*name, value)));
        command
    }

    /// Starts a process that goes on.
    pub(super) fn start(&self, role: &str) -> Program {
        Program::start(&mut self.command(&[role]))
    }

    /// Runs a command that ends by itself.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints with `--json`, when all goes well.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "relais {arguments:?}: {}\n{errors}",
            output.status
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
