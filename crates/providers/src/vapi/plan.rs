//! How an HMAC credential of Vapi signs.

use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::key;

/// The hash below the HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is the hash of its name")]
pub enum Algorithm {
    #[default]
    Sha256,
    Sha512,
    Sha1,
}

impl Algorithm {
    pub(super) fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        }
    }
}

/// How the signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is the encoding of its name")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

impl Encoding {
    pub(super) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => key::base64(text),
        }
    }
}

/// An HMAC credential, with the field names and the defaults that it has at Vapi. Fields that are not known are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HmacPlan {
    /// The hash.
    pub algorithm: Algorithm,
    /// The header with the signature.
    pub signature_header: String,
    /// The header with the time of sending, unix seconds or milliseconds.
    pub timestamp_header: String,
    /// What stands before the signature, `sha256=`.
    pub signature_prefix: Option<String>,
    /// Whether there is a time of sending.
    pub include_timestamp: bool,
    /// What is signed. Replaced are `{body}`, `{timestamp}`, `{method}`, `{url}` and `{svix-id}`. When not given: body
    /// and timestamp with a dot between them, or the body alone if there is no timestamp.
    pub payload_format: Option<String>,
    /// The header with the message's name, for `{svix-id}`.
    pub message_id_header: Option<String>,
    /// How the signature is written.
    pub signature_encoding: Encoding,
    /// Whether the secret is base64 of the key, not the key.
    pub secret_is_base64: bool,
}

impl Default for HmacPlan {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            signature_header: "x-signature".into(),
            timestamp_header: "x-timestamp".into(),
            signature_prefix: None,
            include_timestamp: true,
            payload_format: None,
            message_id_header: None,
            signature_encoding: Encoding::default(),
            secret_is_base64: false,
        }
    }
}

/// A plan that would not protect anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusablePlan {
    /// The body could be changed at will.
    #[error("payloadFormat must contain {{body}}, else nothing vouches for it")]
    WithoutBody,
    /// The secret cannot be used.
    #[error(transparent)]
    Key(#[from] key::UnusableKey),
}

/// One piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Body,
    Timestamp,
    Method,
    Url,
    MessageId,
}

const PLACEHOLDERS: [(&str, Piece); 5] = [
    ("{body}", Piece::Body),
    ("{timestamp}", Piece::Timestamp),
    ("{method}", Piece::Method),
    ("{url}", Piece::Url),
    ("{svix-id}", Piece::MessageId),
];

impl HmacPlan {
    /// What is signed, in order.
    pub(super) fn pieces(&self) -> Result<Vec<Piece>, UnusablePlan> {
        let usual = if self.include_timestamp {
            "{timestamp}.{body}"
        } else {
            "{body}"
        };
        let mut rest = self.payload_format.as_deref().unwrap_or(usual);
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let next = PLACEHOLDERS
                .iter()
                .filter_map(|(name, piece)| Some((rest.find(name)?, name.len(), piece.clone())))
                .min_by_key(|(at, _, _)| *at);
            let Some((at, length, piece)) = next else {
                pieces.push(Piece::Text(rest.to_owned()));
                break;
            };
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
            }
            pieces.push(piece);
            rest = &rest[at + length..];
        }
        if pieces.contains(&Piece::Body) {
            Ok(pieces)
        } else {
            Err(UnusablePlan::WithoutBody)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, expected: &[Piece]) {
        let plan = HmacPlan {
            payload_format: Some(format.into()),
            ..HmacPlan::default()
        };
        assert_eq!(plan.pieces().as_deref(), Ok(expected), "{format}");
    }

    #[test]
    fn placeholders_are_told_from_the_text_between_them() {
        use Piece::{Body, MessageId, Method, Text, Timestamp, Url};
        let text = |text: &str| Text(text.into());
        check("{body}", &[Body]);
        check(
            "{svix-id}.{timestamp}.{body}",
            &[MessageId, text("."), Timestamp, text("."), Body],
        );
        check(
            "{method} {url}\n{body}{unknown}",
            &[Method, text(" "), Url, text("\n"), Body, text("{unknown}")],
        );
    }

    #[test]
    fn what_is_not_given_follows_from_whether_there_is_a_timestamp() {
        let mut plan = HmacPlan::default();
        assert_eq!(
            plan.pieces(),
            Ok(vec![Piece::Timestamp, Piece::Text(".".into()), Piece::Body])
        );
        plan.include_timestamp = false;
        assert_eq!(plan.pieces(), Ok(vec![Piece::Body]));
    }

    #[test]
    fn a_plan_that_leaves_the_body_unsigned_is_refused() {
        for format in ["", "{timestamp}", "body"] {
            let plan = HmacPlan {
                payload_format: Some(format.into()),
                ..HmacPlan::default()
            };
            assert_eq!(plan.pieces(), Err(UnusablePlan::WithoutBody), "{format}");
        }
    }
}
