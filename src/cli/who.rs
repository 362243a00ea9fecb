//! Who is at the command line: what the audit log calls them.

use anyhow::Context as _;
use domain::{Author, OperatorName};

use super::pause;

/// By the name they gave, else by that of their account on this machine.
pub(super) fn author(by: Option<String>) -> anyhow::Result<Author> {
    let name = by.unwrap_or_else(pause::whoever);
    let name = OperatorName::parse(&name).context("--by is one line of at most 100 characters")?;
    Ok(Author::operator(name))
}
