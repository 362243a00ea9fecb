//! Who takes part.

use std::path::PathBuf;

use serde::Serialize;

use crate::plan::Tuning;

/// What jobs are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Storage {
    Redis,
    Postgres,
    Sqlite,
}

impl Storage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Postgres => "Postgres",
            Self::Sqlite => "SQLite",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// Of `src/bin`.
    Rust(&'static str),
    /// Of `node`.
    Node(&'static str),
}

/// A contender with its settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entrant {
    pub(super) storage: Storage,
    name: &'static str,
    program: Program,
    tuned: bool,
}

const fn rust(storage: Storage, name: &'static str, program: &'static str) -> Entrant {
    Entrant {
        storage,
        name,
        program: Program::Rust(program),
        tuned: true,
    }
}

const fn node(storage: Storage, name: &'static str, program: &'static str) -> Entrant {
    Entrant {
        storage,
        name,
        program: Program::Node(program),
        tuned: true,
    }
}

const fn shipped(entrant: Entrant) -> Entrant {
    Entrant {
        tuned: false,
        ..entrant
    }
}

const OURS: &str = "relais";

/// Names are those of the packages. Ours is the first of each storage.
const FIELD: [Entrant; 14] = [
    rust(Storage::Redis, OURS, "ours"),
    rust(Storage::Redis, "apalis-redis", "apalis_redis"),
    shipped(rust(Storage::Redis, "apalis-redis", "apalis_redis")),
    rust(Storage::Redis, "oxana", "oxana"),
    node(Storage::Redis, "bullmq", "bullmq.mjs"),
    rust(Storage::Postgres, OURS, "ours"),
    rust(Storage::Postgres, "apalis-postgres", "apalis_postgres"),
    shipped(rust(Storage::Postgres, "apalis-postgres", "apalis_postgres")),
    rust(Storage::Postgres, "graphile_worker", "graphile_worker"),
    rust(Storage::Postgres, "awa", "awa"),
    node(Storage::Postgres, "graphile-worker", "graphile.mjs"),
    rust(Storage::Sqlite, OURS, "ours"),
    rust(Storage::Sqlite, "apalis-sqlite", "apalis_sqlite"),
    shipped(rust(Storage::Sqlite, "apalis-sqlite", "apalis_sqlite")),
];

/// Those that are named, by themselves or by their storage, and ours beside them.
pub(super) fn chosen(names: &[String]) -> anyhow::Result<Vec<Entrant>> {
    let is_named =
        |entrant: &Entrant, name: &String| *name == entrant.name || name.eq_ignore_ascii_case(entrant.storage.name());
    if let Some(unknown) = names
        .iter()
        .find(|name| !FIELD.iter().any(|entrant| is_named(entrant, name)))
    {
        let known: Vec<_> = FIELD
            .iter()
            .filter(|entrant| entrant.tuned)
            .map(|entrant| entrant.name)
            .collect();
        anyhow::bail!(
            "nobody is called {unknown}: there are redis, postgres, sqlite, {}",
            known.join(", ")
        );
    }
    let wanted = |entrant: &Entrant| names.is_empty() || names.iter().any(|name| is_named(entrant, name));
    let storages: Vec<_> = FIELD
        .iter()
        .filter(|entrant| wanted(entrant))
        .map(|entrant| entrant.storage)
        .collect();
    let takes_part = |entrant: &Entrant| wanted(entrant) || (entrant.is_ours() && storages.contains(&entrant.storage));
    Ok(FIELD.into_iter().filter(takes_part).collect())
}

impl Entrant {
    pub(super) fn is_ours(&self) -> bool {
        self.name == OURS
    }

    /// `Redis apalis-redis 1.0.0, as shipped`.
    pub(super) fn label(&self) -> String {
        let version = self.version().map(|version| format!(" {version}")).unwrap_or_default();
        let shipped = if self.tuned { "" } else { ", as shipped" };
        format!("{} {}{version}{shipped}", self.storage.name(), self.name)
    }

    pub(super) fn throughput(&self) -> Tuning {
        if self.tuned {
            Tuning::Throughput
        } else {
            Tuning::Shipped
        }
    }

    pub(super) fn latency(&self) -> Tuning {
        if self.tuned { Tuning::Latency } else { Tuning::Shipped }
    }

    /// Of the lock file that this was built with, or of what is installed.
    fn version(&self) -> Option<String> {
        match self.program {
            Program::Rust(_) => {
                let entry = format!("name = \"{}\"\nversion = \"", self.name);
                let (_, rest) = include_str!("../../Cargo.lock").split_once(&entry)?;
                Some(rest.split_once('"')?.0.to_owned())
            }
            Program::Node(_) => {
                let package = node_folder().join("node_modules").join(self.name).join("package.json");
                let package: serde_json::Value = serde_json::from_slice(&std::fs::read(package).ok()?).ok()?;
                Some(package.get("version")?.as_str()?.to_owned())
            }
        }
    }

    /// A program and what comes before the plan.
    pub(super) fn command(&self) -> anyhow::Result<tokio::process::Command> {
        Ok(match self.program {
            Program::Rust(name) => tokio::process::Command::new(std::env::current_exe()?.with_file_name(name)),
            Program::Node(name) => {
                let mut command = tokio::process::Command::new("node");
                command.arg(node_folder().join(name));
                command
            }
        })
    }
}

fn node_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("node")
}
