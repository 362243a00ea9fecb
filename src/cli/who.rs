//! Who is at the command line: what the audit log calls them.

use anyhow::Context as _;
use domain::{Author, OperatorName};

/// By the name they gave, else by that of their account on this machine.
pub(super) fn author(by: Option<String>) -> anyhow::Result<Author> {
    Ok(Author::operator(name(by)?))
}

/// The name alone.
pub(super) fn name(by: Option<String>) -> anyhow::Result<OperatorName> {
    OperatorName::parse(&by.unwrap_or_else(whoever)).context("--by is one line of at most 100 characters")
}

/// Who asks, when nobody says.
pub(super) fn whoever() -> String {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
    user.unwrap_or_else(|| "somebody".to_owned())
}
