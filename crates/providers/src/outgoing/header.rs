//! Headers that a message may carry beside its own.

use super::Line;

/// Standard headers that say something of the message and steer nothing. All others that are free to use begin with `X-`.
const TAKEN: [&str; 6] = [
    "Auto-Submitted",
    "Feedback-ID",
    "In-Reply-To",
    "List-Id",
    "Precedence",
    "References",
];

/// Headers beginning with `X-` that a provider takes for orders.
const ORDERS: [&str; 3] = ["x-smtpapi", "x-sg-", "x-resend-"];

/// The longest name that is taken.
const NAME_BYTES_MAX: usize = 64;

/// A header that is not ours to set. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a further header begins with X-, or is one of Auto-Submitted, Feedback-ID, In-Reply-To, List-Id, Precedence, References"
)]
pub struct UnusableHeader;

/// A header beside those that the message has anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraHeader {
    name: String,
    value: Line,
}

impl ExtraHeader {
    /// # Errors
    /// [`UnusableHeader`] when a message has such a header of its own, or a provider takes it for an order.
    pub fn new(name: &str, value: &Line) -> Result<Self, UnusableHeader> {
        let lower = name.to_ascii_lowercase();
        let is_token = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_free =
            lower.len() > "x-".len() && lower.starts_with("x-") && !ORDERS.iter().any(|order| lower.starts_with(order));
        let is_taken = is_free || TAKEN.iter().any(|taken| taken.eq_ignore_ascii_case(name));
        if !is_token || !is_taken || name.len() > NAME_BYTES_MAX || value.is_empty() {
            return Err(UnusableHeader);
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.clone(),
        })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says.
    #[must_use]
    pub const fn value(&self) -> &Line {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_that_steer_nothing_are_taken() {
        let check = |name: &str, expected: bool| {
            assert_eq!(ExtraHeader::new(name, &Line::new("v")).is_ok(), expected, "{name}");
        };
        for taken in [
            "X-Entity-Ref-ID",
            "x-campaign",
            "In-Reply-To",
            "references",
            "Auto-Submitted",
        ] {
            check(taken, true);
        }
        for refused in [
            "",
            "X-",
            "X",
            "Subject",
            "Bcc",
            "DKIM-Signature",
            "Content-Type",
            "X-SMTPAPI",
            "X-SG-EID",
            "X-A: b\r\nBcc",
            "X-Ä",
            "X-a b",
        ] {
            check(refused, false);
        }
        check(&format!("X-{}", "a".repeat(NAME_BYTES_MAX)), false);
        assert_eq!(ExtraHeader::new("X-A", &Line::new("\r\n")), Err(UnusableHeader));
    }
}
