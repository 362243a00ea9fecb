//! A table for eyes, JSON for programs.

use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::field::Entrant;
use super::process::Failed;
use super::{CALLERS, STOLEN_MAX, Scale, Turn};
use crate::figures::median;
use crate::plan::Outcome;
use crate::table::{ms, table, thousands};

/// A figure of one part of a turn.
type Figure = fn(&Turn) -> Option<f64>;

const COLUMNS: [&str; 9] = [
    "",
    "add/s",
    "ours",
    "drain/s",
    "ours",
    "pick-up p50 ms",
    "p99 ms",
    "ours",
    "worker MiB",
];

pub(super) struct Report<'run> {
    entrants: &'run [Entrant],
    turns: &'run [Vec<Turn>],
    scale: Scale,
    durability: &'run [String],
}

impl<'run> Report<'run> {
    pub(super) fn new(
        entrants: &'run [Entrant],
        turns: &'run [Vec<Turn>],
        scale: Scale,
        durability: &'run [String],
    ) -> Self {
        Self {
            entrants,
            turns,
            scale,
            durability,
        }
    }

    pub(super) fn finish(&self, out: &Path) -> anyhow::Result<()> {
        let rows: Vec<_> = self
            .entrants
            .iter()
            .zip(self.turns)
            .map(|(entrant, turns)| self.row(entrant, turns))
            .collect();
        println!("\n{}\n", table(&COLUMNS, &rows));
        println!("{}", self.explanation());
        for line in self.durability {
            println!("{line}");
        }
        self.tell_what_failed();
        self.tell_noise();
        self.write(out)?;
        println!("All figures: {}", out.display());
        Ok(())
    }

    fn explanation(&self) -> String {
        let Scale {
            jobs,
            adds,
            waiting,
            pick_ups,
            rounds,
            ..
        } = self.scale;
        format!(
            "Medians of {rounds} rounds; ours = how many times faster relais was, median of the rounds. add: {adds} jobs of \
             300 bytes one at a time from {CALLERS} callers. drain: {jobs} such jobs, which do nothing, through one worker \
             process, with {waiting} more waiting behind them; worker: the most memory it had then. pick-up: from the call \
             that adds a job to its run, {pick_ups} jobs, one each 20 ms."
        )
    }

    fn row(&self, entrant: &Entrant, turns: &[Turn]) -> Vec<String> {
        let add: Figure = |turn| ok(&turn.add).map(|outcome| outcome.per_second);
        let drain: Figure = |turn| ok(&turn.drain).map(|outcome| outcome.per_second);
        let memory: Figure = |turn| ok(&turn.drain).map(|outcome| outcome.memory_peak_kib as f64 / 1024.0);
        let p50: Figure = |turn| ok(&turn.pick_up).map(|outcome| outcome.within.p50_us as f64);
        let p99: Figure = |turn| ok(&turn.pick_up).map(|outcome| outcome.within.p99_us as f64);
        let of = |figure: Figure, show: &dyn Fn(f64) -> String| {
            let values: Vec<f64> = turns.iter().filter_map(figure).collect();
            if values.is_empty() {
                "failed".to_owned()
            } else {
                show(median(values))
            }
        };
        let ours = |figure: Figure, faster_is_more: bool| self.ours_to(entrant, turns, figure, faster_is_more);
        vec![
            entrant.label(),
            of(add, &thousands),
            ours(add, true),
            of(drain, &thousands),
            ours(drain, true),
            of(p50, &|us| ms(us as u64)),
            of(p99, &|us| ms(us as u64)),
            ours(p50, false),
            of(memory, &|mib| format!("{mib:.0}")),
        ]
    }

    /// `×2.3`, from rounds in which both have a figure.
    fn ours_to(&self, entrant: &Entrant, turns: &[Turn], figure: Figure, faster_is_more: bool) -> String {
        let ours = self
            .entrants
            .iter()
            .zip(self.turns)
            .find(|(other, _)| other.is_ours() && other.storage == entrant.storage);
        let Some((_, ours)) = ours.filter(|_| !entrant.is_ours()) else {
            return String::new();
        };
        let ratios: Vec<f64> = ours
            .iter()
            .zip(turns)
            .filter_map(|(ours, theirs)| Some((figure(ours)?, figure(theirs)?)))
            .map(|(ours, theirs)| if faster_is_more { ours / theirs } else { theirs / ours })
            .collect();
        if ratios.is_empty() {
            "-".to_owned()
        } else {
            format!("×{:.2}", median(ratios))
        }
    }

    fn tell_what_failed(&self) {
        for (entrant, turn) in self.every_turn() {
            for failed in [&turn.add, &turn.drain, &turn.pick_up].into_iter().filter_map(err) {
                println!("Round {}, {}: {failed}", turn.round, entrant.label());
            }
        }
    }

    fn tell_noise(&self) {
        let noisy: Vec<_> = self.every_turn().filter(|(_, turn)| turn.is_noisy()).collect();
        for (entrant, turn) in &noisy {
            let (round, label, stolen) = (turn.round, entrant.label(), turn.stolen_percent);
            println!(
                "NOISY: round {round}, {label}: {stolen:.1} % of the processors went to other machines of the host."
            );
        }
        if noisy.is_empty() {
            println!("In no turn did more than {STOLEN_MAX} % of the processors go to other machines of the host.");
        } else {
            println!("The machine was not quiet: measure again before you believe these figures.");
        }
        let load = |turn: Option<(&Entrant, &Turn)>| turn.map_or("?", |(_, turn)| turn.load_before.as_str()).to_owned();
        println!(
            "Load of the machine before the first turn: {}",
            load(self.every_turn().next())
        );
    }

    fn every_turn(&self) -> impl Iterator<Item = (&Entrant, &Turn)> {
        let with_turns = self.entrants.iter().zip(self.turns);
        with_turns.flat_map(|(entrant, turns)| turns.iter().map(move |turn| (entrant, turn)))
    }

    fn write(&self, out: &Path) -> anyhow::Result<()> {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let entrants: Vec<_> = self
            .entrants
            .iter()
            .zip(self.turns)
            .map(|(entrant, turns)| json!({ "name": entrant.label(), "storage": entrant.storage, "turns": turns }))
            .collect();
        let document = json!({
            "cores": cores, "scale": self.scale, "durability": self.durability, "entrants": entrants,
        });
        std::fs::create_dir_all(out.parent().context("a file has a folder")?)?;
        Ok(std::fs::write(out, serde_json::to_vec_pretty(&document)?)?)
    }
}

fn ok(part: &Result<Outcome, Failed>) -> Option<&Outcome> {
    part.as_ref().ok()
}

fn err(part: &Result<Outcome, Failed>) -> Option<&Failed> {
    part.as_ref().err()
}
