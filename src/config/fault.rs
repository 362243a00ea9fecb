//! What is wrong with the settings, in words that say what to do.

use std::fmt;

/// One setting that cannot be used. Never repeats its value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which one.
    pub setting: &'static str,
    /// What is wrong and what to do; follows the name in a sentence.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.text)
    }
}

/// Every setting that cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Keeps the value, or notes the fault.
    pub(super) fn take<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        self.take_all(result.map_err(|fault| Self(vec![fault])))
    }

    /// Keeps the value, or notes all its faults.
    pub(super) fn take_all<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        result.map_err(|faults| self.0.extend(faults.0)).ok()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these settings must be put right first:")?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        f.write_str("\nSettings are environment variables; flags override them (DATABASE_URL is --database-url).")
    }
}

impl std::error::Error for Faults {}
