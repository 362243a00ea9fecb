//! Tables for eyes, JSON for programs.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::scale::Scale;

/// One section's outcome.
pub(crate) struct Report {
    section: &'static str,
    load_before: String,
    ticks_before: Ticks,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(section: &'static str, columns: &[&'static str]) -> Self {
        Self {
            section,
            load_before: load_average(),
            ticks_before: Ticks::now(),
            columns: columns.to_vec(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the table and writes `target/bench/SECTION.json` (`SECTION.tiny.json` if these are no measurements), with
    /// `figures` in full.
    pub(crate) fn finish(self, scale: &Scale, figures: Value) -> anyhow::Result<()> {
        println!("\n{}\n{}", self.section, table(&self.columns, &self.rows));
        for note in &self.notes {
            println!("{note}");
        }
        let load_after = load_average();
        println!(
            "Load of the machine before and after: {} · {load_after}",
            self.load_before
        );
        let stolen = Ticks::now().stolen_since(self.ticks_before);
        println!("Taken by other machines of the same host meanwhile: {stolen:.1} % (above 5, measure again).");
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let document = json!({
            "section": self.section, "at": chrono::Utc::now(), "cores": cores,
            "load_before": self.load_before, "load_after": load_after,
            "stolen_percent": stolen, "notes": self.notes, "figures": figures,
        });
        let path = path(self.section, if scale.alone { "tiny.json" } else { "json" });
        std::fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        std::fs::write(&path, serde_json::to_vec_pretty(&document)?)?;
        println!("All figures: {}", path.display());
        Ok(())
    }
}

fn path(section: &str, ending: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .with_file_name("bench")
        .join(section)
        .with_extension(ending)
}

/// How many processes wanted to run, over 1, 5 and 15 minutes: tells a figure of a busy machine.
fn load_average() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// What the processors did since they started, in ticks: all of it, and what the host gave to others although we wanted it.
#[derive(Clone, Copy, Default)]
struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|ticks| ticks.parse().ok())
            .collect();
        Self {
            all: ticks.iter().sum(),
            stolen: ticks.get(7).copied().unwrap_or(0),
        }
    }

    fn stolen_since(self, before: Self) -> f64 {
        100.0 * (self.stolen - before.stolen) as f64 / (self.all - before.all).max(1) as f64
    }
}

fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells.chain([columns[column].chars().count()]).max().unwrap_or(0)
    };
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if column == 0 {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        padded.collect::<Vec<_>>().join("   ")
    };
    let lines = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    [line(columns.to_vec())]
        .into_iter()
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

/// `123.4k`, `95.1k`, `812`.
pub(crate) fn thousands(rate: f64) -> String {
    if rate >= 1000.0 {
        format!("{:.1}k", rate / 1000.0)
    } else {
        format!("{rate:.0}")
    }
}

/// Microseconds as milliseconds.
pub(crate) fn ms(us: u64) -> String {
    format!("{:.2}", us as f64 / 1000.0)
}
