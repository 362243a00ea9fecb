//! Who does something, and from where: what every entry of the audit log begins with.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{ApiKeyId, UserId};

/// The longest name of an operator, in characters.
pub const OPERATOR_CHARACTERS_MAX: usize = 100;

/// Who does something. Stored as one word: `system`, `operator:NAME`, `key:UUID`, `user:UUID`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// Relais by itself: a job, the clock.
    System,
    /// Somebody at the command line, by the name they gave.
    Operator(OperatorName),
    /// A program with an API key.
    Key(ApiKeyId),
    /// A person who signed in.
    User(UserId),
}

/// What somebody at the command line calls themselves: one line, not empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperatorName(String);

/// A word that names nobody. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("names nobody who does something: system, operator:NAME, key:UUID or user:UUID")]
pub struct UnknownActor;

impl OperatorName {
    /// Takes a name, without the white space around it.
    ///
    /// # Errors
    /// [`UnknownActor`] when it is empty, has control characters or more than [`OPERATOR_CHARACTERS_MAX`] characters.
    pub fn parse(text: &str) -> Result<Self, UnknownActor> {
        let text = text.trim();
        let sane = !text.is_empty() && text.chars().count() <= OPERATOR_CHARACTERS_MAX;
        if sane && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnknownActor)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Actor {
    /// The user, if it is one.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(*id),
            Self::System | Self::Operator(_) | Self::Key(_) => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Operator(name) => write!(f, "operator:{}", name.0),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
        }
    }
}

impl FromStr for Actor {
    type Err = UnknownActor;

    fn from_str(word: &str) -> Result<Self, UnknownActor> {
        match word.split_once(':') {
            None if word == "system" => Ok(Self::System),
            Some(("operator", name)) => OperatorName::parse(name).map(Self::Operator),
            Some(("key", id)) => id.parse().map(Self::Key).map_err(|_| UnknownActor),
            Some(("user", id)) => id.parse().map(Self::User).map_err(|_| UnknownActor),
            _ => Err(UnknownActor),
        }
    }
}

impl TryFrom<String> for Actor {
    type Error = UnknownActor;

    fn try_from(word: String) -> Result<Self, UnknownActor> {
        word.parse()
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

/// From where something was done, as one word. Of an address on the network only its neighbourhood: enough to see that
/// it was another place, too little to follow somebody by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// Nowhere: relais did it by itself.
    #[must_use]
    pub fn system() -> Self {
        Self("system".to_owned())
    }

    /// The command line.
    #[must_use]
    pub fn cli() -> Self {
        Self("cli".to_owned())
    }

    /// Nobody knows where.
    #[must_use]
    pub fn unknown() -> Self {
        Self("unknown".to_owned())
    }

    /// The network that an address is in: `203.0.113.0/24`, `2001:db8:1::/48`.
    #[must_use]
    pub fn network(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        })
    }

    /// Takes what was stored.
    #[must_use]
    pub fn stored(word: String) -> Self {
        Self(word)
    }

    /// The word that is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who does something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
}

impl Author {
    /// Relais by itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            actor: Actor::System,
            origin: Origin::system(),
        }
    }

    /// Somebody at the command line.
    #[must_use]
    pub fn operator(name: OperatorName) -> Self {
        Self {
            actor: Actor::Operator(name),
            origin: Origin::cli(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_actor_is_one_word_and_comes_back_from_it() {
        let id = Uuid::from_u128(7);
        for (actor, word) in [
            (Actor::System, "system"),
            (
                Actor::Operator(OperatorName::parse(" ann b ").unwrap()),
                "operator:ann b",
            ),
            (Actor::Key(ApiKeyId(id)), "key:00000000-0000-0000-0000-000000000007"),
            (Actor::User(UserId(id)), "user:00000000-0000-0000-0000-000000000007"),
        ] {
            assert_eq!(actor.to_string(), word);
            assert_eq!(word.parse::<Actor>().unwrap(), actor);
        }
    }

    #[test]
    fn a_word_that_names_nobody_is_refused() {
        let long = format!("operator:{}", "x".repeat(OPERATOR_CHARACTERS_MAX + 1));
        for word in [
            "",
            "ann",
            "system:",
            "operator:",
            "operator: ",
            "operator:a\nb",
            "key:7",
            "user:",
            &long,
        ] {
            assert_eq!(word.parse::<Actor>(), Err(UnknownActor), "{word}");
        }
    }

    #[test]
    fn of_an_address_only_the_network_is_kept() {
        for (address, network) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ] {
            assert_eq!(Origin::network(address.parse().unwrap()).as_str(), network);
        }
    }
}
