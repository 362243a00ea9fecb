//! Tables for eyes, JSON for programs.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::machine::{Ticks, load_average};
use crate::scale::Scale;
use crate::table::table;

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

    /// Also shown at once, so that a run that is cut short has not measured in vain.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let row: Vec<String> = cells.into_iter().collect();
        eprintln!("{}: {}", self.section, row.join(" · "));
        self.rows.push(row);
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
