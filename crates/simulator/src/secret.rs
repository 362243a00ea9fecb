//! Secrets that callers show.

use secrecy::{ExposeSecret as _, SecretString};

/// Whether `shown` is the secret. Not in constant time: what is guarded is invented.
pub(crate) fn is(secret: &SecretString, shown: &str) -> bool {
    secret.expose_secret() == shown
}

/// The user and the password of `Authorization: Basic`.
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    use base64::Engine as _;
    let (scheme, text) = header.split_once(' ')?;
    let text = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&text).ok()?.split_once(':')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| (user.to_owned(), password.to_owned()))
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
