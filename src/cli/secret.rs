//! Secrets that are given on the command line, or kept off it.

use std::io::Read as _;

use anyhow::Context as _;

/// The secret that was given; `-`: what standard input has, without the end of its line.
pub(super) fn read(given: String) -> anyhow::Result<String> {
    if given != "-" {
        return Ok(given);
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("the secret cannot be read from standard input")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
