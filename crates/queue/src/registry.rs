//! The kinds of jobs a process knows.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::envelope::KIND_BYTES_MAX;
use crate::job::{Attempt, Job, JobError, LEASE_MARGIN, Policy};

pub(crate) type Run = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;

/// Reads a payload and makes it ready to run.
pub(crate) type Start<C> = fn(&[u8], Arc<C>, Attempt) -> Result<Run, String>;

/// One kind: how to read its payload, run it, and how it is to be run.
pub(crate) struct Kind<C> {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy,
    pub(crate) waits_itself: bool,
    pub(crate) start: Start<C>,
    check: fn(&[u8]) -> Result<Vec<String>, String>,
}

/// All kinds a process knows, by name.
pub struct Registry<C> {
    kinds: HashMap<&'static str, Kind<C>>,
}

impl<C> Default for Registry<C> {
    fn default() -> Self {
        Self { kinds: HashMap::new() }
    }
}

impl<C: Send + Sync + 'static> Registry<C> {
    /// Knows the kind `J` from now on.
    ///
    /// # Panics
    /// When the kind is registered twice, its name is not usable or its policy unsound: faults of the program text,
    /// found by every start and every test.
    #[must_use]
    pub fn with<J: Job<Ctx = C>>(mut self) -> Self {
        assert!(
            !J::KIND.is_empty() && J::KIND.len() <= KIND_BYTES_MAX,
            "kind `{}`: 1 to 100 bytes",
            J::KIND
        );
        assert!(
            J::POLICY.is_sound(),
            "kind `{}`: needs an attempt, and a time-out well within the lease",
            J::KIND
        );
        let kind = Kind {
            name: J::KIND,
            policy: J::POLICY,
            waits_itself: J::WAITS_ITSELF,
            start: start::<J>,
            check: check::<J>,
        };
        assert!(
            self.kinds.insert(J::KIND, kind).is_none(),
            "kind `{}` is registered twice",
            J::KIND
        );
        self
    }

    pub(crate) fn kind(&self, name: &str) -> Option<&Kind<C>> {
        self.kinds.get(name)
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.kinds.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// The policy of a kind.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<Policy> {
        self.kinds.get(name).map(|kind| kind.policy)
    }

    /// The kinds whose time-out and margin do not fit into a lease of this length.
    #[must_use]
    pub fn too_slow_for(&self, lease: Duration) -> Vec<&'static str> {
        let mut names: Vec<_> = self
            .kinds
            .values()
            .filter(|k| k.policy.timeout + LEASE_MARGIN > lease)
            .map(|k| k.name)
            .collect();
        names.sort_unstable();
        names
    }

    /// Whether `payload` (JSON) is one that the kind reads; `None` = unknown kind. Answers the fields that this version of it
    /// does not know and passes over: `event.tags.0.colour`.
    ///
    /// # Errors
    /// Names the field and what is wrong, without values.
    pub fn check(&self, name: &str, payload: &[u8]) -> Option<Result<Vec<String>, String>> {
        self.kinds.get(name).map(|kind| (kind.check)(payload))
    }
}

fn start<J: Job>(payload: &[u8], ctx: Arc<J::Ctx>, attempt: Attempt) -> Result<Run, String> {
    let job: J = read(payload)?;
    Ok(Box::pin(async move { job.run(&ctx, &attempt).await }))
}

fn check<J: Job>(payload: &[u8]) -> Result<Vec<String>, String> {
    read::<J>(payload)?;
    let mut unknown = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(payload);
    // What is optional stands as a step of its own in a path.
    let found = |path: serde_ignored::Path<'_>| unknown.push(path.to_string().replace("?.", ""));
    serde_ignored::deserialize::<_, _, J>(&mut json, found).map_err(|_| "it is not JSON".to_owned())?;
    Ok(unknown)
}

/// Reads a payload. The error names the field and none of its values: those may be personal, and serde's own message
/// repeats them.
fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let at = error.path().to_string();
        let text = error.inner().to_string();
        // The one message of serde's that names a field and no value.
        let missing = text
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split('`').next());
        match (missing, error.inner().classify()) {
            (Some(field), _) => format!("missing field `{field}`"),
            (None, Category::Data) => match expected(&text) {
                Some(expected) => format!("`{at}` must be {expected}"),
                None => format!("`{at}` is not what stands there"),
            },
            (None, _) => "it is not JSON".to_owned(),
        }
    })?;
    json.end()
        .map(|()| read)
        .map_err(|_| "something stands behind the JSON".to_owned())
}

/// What a message of serde's says should stand there, which it says behind the value that does.
fn expected(text: &str) -> Option<&str> {
    let is_of_serde = ["invalid type: ", "invalid value: ", "unknown variant "];
    if !is_of_serde.iter().any(|beginning| text.starts_with(beginning)) {
        return None;
    }
    let (_, expected) = text.rsplit_once(", expected ")?;
    Some(
        expected
            .rsplit_once(" at line ")
            .map_or(expected, |(expected, _)| expected),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_payload_names_the_field_and_repeats_no_value() {
        #[derive(Debug, serde::Deserialize)]
        struct Form {
            #[expect(dead_code, reason = "only parsed")]
            to: String,
        }
        let check = |payload: &str, expected: &str| {
            assert_eq!(read::<Form>(payload.as_bytes()).expect_err(payload), expected);
        };
        check("{}", "missing field `to`");
        check(r#"{"to":33612345678}"#, "`to` must be a string");
        check(r#"{"to":"a\" b"#, "it is not JSON");
        check(r#"{"to":"a"} secret"#, "something stands behind the JSON");
        assert_eq!(expected("marie, expected a secret"), None, "not serde's own words");
    }

    #[test]
    fn fields_that_a_kind_does_not_know_are_named() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Form {
            to: Option<Address>,
        }
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Address {
            street: String,
        }
        impl Job for Form {
            type Ctx = ();
            const KIND: &'static str = "form";
            const POLICY: Policy = Policy {
                queue: crate::Queue::Default,
                attempts: 1,
                backoff: crate::Backoff {
                    first: Duration::from_secs(1),
                    cap: Duration::from_secs(1),
                },
                timeout: Duration::from_secs(1),
                expires: None,
            };
            fn unique(&self) -> String {
                String::new()
            }
            async fn run(self, (): &(), _: &Attempt) -> Result<(), JobError> {
                Ok(())
            }
        }
        let unknown = |payload: &str| check::<Form>(payload.as_bytes());
        assert_eq!(unknown(r#"{"to":{"street":"x"}}"#), Ok(vec![]));
        assert_eq!(
            unknown(r#"{"to":{"street":"x","town":"y"},"too":{"street":"z"}}"#),
            Ok(vec!["to.town".to_owned(), "too".to_owned()])
        );
        assert_eq!(unknown(r#"{"to":{}}"#), Err("missing field `street`".to_owned()));
    }
}
