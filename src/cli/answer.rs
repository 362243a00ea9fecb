//! What a command answers: one value, printed as JSON or in words.

use std::io::{self, Write as _};

use serde_json::Value;
use uuid::Uuid;

/// An answer in both forms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    json: Value,
    words: String,
    success: bool,
}

impl Answer {
    /// A good answer.
    pub(super) fn new(json: Value, words: impl Into<String>) -> Self {
        Self {
            json,
            words: words.into(),
            success: true,
        }
    }

    /// The answer says that not all went well: exit status 1.
    pub(super) fn failed_if(mut self, failed: bool) -> Self {
        self.success &= !failed;
        self
    }

    /// Everything was printed on the way.
    pub(super) fn printed() -> Self {
        Self {
            json: Value::Null,
            words: String::new(),
            success: true,
        }
    }

    /// The same with something more to say, under a name of its own.
    pub(super) fn and(mut self, name: &str, json: Value, words: &str) -> Self {
        self.json[name] = json;
        self.words += words;
        self
    }

    /// What programs see of it.
    pub(super) fn into_json(self) -> Value {
        self.json
    }

    pub(super) fn is_success(&self) -> bool {
        self.success
    }

    /// Prints it on standard output.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        if self.json.is_null() {
            return Ok(());
        }
        let text = if json {
            escaped(&self.json.to_string())
        } else {
            plain(self.words.trim_end())
        };
        let mut out = io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            // Whoever read has read enough: `relais jobs list | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed,
        }
    }
}

/// JSON without what a terminal would obey: what JSON itself leaves as it is, and what can only be within its texts.
pub(super) fn escaped(json: &str) -> String {
    without_controls(json, |c| format!("\\u{:04x}", u32::from(c)))
}

/// Words without what a terminal would obey: whatever is told, whoever wrote it, moves no cursor and hides nothing. Lines
/// stay lines.
pub(super) fn plain(words: &str) -> String {
    without_controls(words, |_| char::REPLACEMENT_CHARACTER.to_string())
}

fn without_controls(text: &str, instead: impl Fn(char) -> String) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            clean += &instead(c);
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Rows under headings, in columns as wide as they need be.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let cells: Vec<_> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(headings);
    text.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    text
}

/// A tenant as it is printed; jobs of the installation itself have none.
pub(super) fn tenant(id: Uuid) -> Option<String> {
    (!id.is_nil()).then(|| id.to_string())
}

/// Something that may be absent, for a table.
pub(super) fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["é".to_owned(), "1".to_owned()], ["longer".to_owned(), String::new()]];
        assert_eq!(table(["NAME", "N"], &rows), "NAME    N\né       1\nlonger\n");
    }

    #[test]
    fn a_terminal_is_told_nothing_that_it_would_obey() {
        assert_eq!(
            plain("a\u{1b}[2Jb\nc\u{9b}31m\td\r"),
            "a\u{fffd}[2Jb\nc\u{fffd}31m\u{fffd}d\u{fffd}"
        );
        let json = serde_json::json!({ "é": "a\u{1b}[2Jb\nc\u{9b}31m\u{7f}" });
        let text = escaped(&json.to_string());
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json);
    }

    #[test]
    fn the_installation_is_no_tenant() {
        assert_eq!(tenant(Uuid::nil()), None);
    }
}
