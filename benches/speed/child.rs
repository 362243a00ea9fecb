//! Parts that need a process of their own: this program again, with a role and a plan.
//!
//! A child answers with one line of JSON on its standard output. It ends when its standard input does, so that none
//! outlives a bench that was killed.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::{bare, load, retries, turns, work};

pub(crate) const FLAG: &str = "--child";

/// No part takes longer when all is well.
const LIMIT: Duration = Duration::from_secs(600);

/// What a child can be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Posts webhooks.
    Load,
    /// Answers 202.
    Bare,
    /// Works on a queue, or on what stands in for one.
    Work,
    /// Works for two tenants.
    Turns,
    /// Retries dead letters beside live work.
    Letters,
}

impl Role {
    const ALL: [Self; 5] = [Self::Load, Self::Bare, Self::Work, Self::Turns, Self::Letters];

    fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Bare => "bare",
            Self::Work => "work",
            Self::Turns => "turns",
            Self::Letters => "letters",
        }
    }
}

/// Is a child.
pub(crate) fn play(role: &str, plan: &str) -> anyhow::Result<()> {
    let role = Role::ALL
        .into_iter()
        .find(|known| known.name() == role)
        .context("there is no such role")?;
    std::thread::spawn(|| {
        drop(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
        // Also when the answer is out and the parent waits for the end: no fault.
        std::process::exit(0);
    });
    match role {
        Role::Load => answer(&load::run(&serde_json::from_str(plan)?)?),
        Role::Bare => bare::run(&serde_json::from_str(plan)?),
        Role::Work => answer(&work::run(&serde_json::from_str(plan)?)?),
        Role::Turns => answer(&turns::run(&serde_json::from_str(plan)?)?),
        Role::Letters => answer(&retries::run(&serde_json::from_str(plan)?)?),
    }
}

/// Prints an answer.
pub(crate) fn answer(answer: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}

/// A running child.
pub(crate) struct Running {
    process: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Running {
    pub(crate) fn start(role: Role, plan: &impl Serialize) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([FLAG, role.name(), &serde_json::to_string(plan)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().context("standard output is piped")?;
        Ok(Self {
            process,
            lines: BufReader::new(output).lines(),
        })
    }

    /// Its next answer.
    pub(crate) async fn answer<A: DeserializeOwned>(&mut self) -> anyhow::Result<A> {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line())
            .await
            .context("a child did not answer in time")?;
        match line? {
            Some(line) => Ok(serde_json::from_str(&line)?),
            None => bail!("a child ended without an answer"),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id().unwrap_or(0)
    }
}

/// Runs a child to its end.
pub(crate) async fn ask<A: DeserializeOwned>(role: Role, plan: &impl Serialize) -> anyhow::Result<A> {
    let mut running = Running::start(role, plan)?;
    let answer = running.answer().await?;
    let status = running.process.wait().await?;
    anyhow::ensure!(status.success(), "a child failed: {status}");
    Ok(answer)
}
