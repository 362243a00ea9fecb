//! Parameters of lists: where to go on, and how many.

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use store::Cursor;
use utoipa::IntoParams;

use crate::problem::{Code, Problem};

/// How many rows a page has when nothing is said.
pub(super) const LIMIT_DEFAULT: u32 = 50;
/// How many rows a page may have.
pub(super) const LIMIT_MAX: u32 = 500;

/// The query of a request, with our kind of error.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(parameters)| Self(parameters))
            .map_err(|error| Problem::new(Code::ParameterInvalid, fault(&error.body_text())))
    }
}

/// The library's words about a query (`…: limit: invalid digit found in string`) in ours: the parameter and what it must
/// be. Its value is not repeated.
fn fault(text: &str) -> String {
    let text = text.rsplit_once("query string: ").map_or(text, |(_, fault)| fault);
    let (name, why) = text.split_once(": ").unwrap_or(("", text));
    match why.strip_prefix("unknown field ") {
        Some(rest) => match rest.split_once(", expected ") {
            Some((unknown, known)) => format!("There is no parameter {unknown} here, only {known}."),
            None => format!("There is no parameter {rest} here."),
        },
        None if name.is_empty() => format!("The query cannot be read: {why}."),
        None => format!("`{name}` must be a whole number."),
    }
}

/// What a list without filters may be asked.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Go on where an earlier answer ended: its `next_cursor`.
    cursor: Option<String>,
    /// At most this many, 1 to 500; 50 when not given.
    limit: Option<u32>,
}

impl List {
    /// Where to go on, and how many.
    pub(super) fn read(&self) -> Result<(Option<Cursor>, u32), Problem> {
        Ok((cursor(self.cursor.as_deref())?, limit(self.limit)?))
    }

    /// Whether it asks for the beginning.
    pub(super) fn is_first(&self) -> bool {
        self.cursor.is_none()
    }
}

pub(super) fn limit(given: Option<u32>) -> Result<u32, Problem> {
    match given {
        None => Ok(LIMIT_DEFAULT),
        Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
        Some(_) => Err(Problem::new(
            Code::ParameterInvalid,
            format!("`limit` must be 1 to {LIMIT_MAX}."),
        )),
    }
}

pub(super) fn cursor(given: Option<&str>) -> Result<Option<Cursor>, Problem> {
    let broken = |_| {
        Problem::new(
            Code::ParameterInvalid,
            "`cursor` must be the `next_cursor` of an answer before.",
        )
    };
    given.map(|text| text.parse().map_err(broken)).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::http::Request;

    #[tokio::test]
    async fn a_query_that_cannot_be_read_names_the_parameter_and_not_its_value() {
        for (query, expected) in [
            ("limit=ten", "`limit` must be a whole number."),
            ("limit=-1", "`limit` must be a whole number."),
            ("limit=", "`limit` must be a whole number."),
            ("limit=99999999999", "`limit` must be a whole number."),
            (
                "limits=1",
                "There is no parameter `limits` here, only `cursor` or `limit`.",
            ),
        ] {
            let request = Request::get(format!("/?{query}")).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            let refused = Parameters::<List>::from_request_parts(&mut parts, &()).await;
            assert_eq!(refused.err().unwrap().detail, expected, "{query}");
        }
    }
}
