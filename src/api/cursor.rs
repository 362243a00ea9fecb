//! Parameters of lists: where to go on, and how many.

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use store::Cursor;

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
            .map_err(|error| Problem::new(Code::ParameterInvalid, format!("{}.", error.body_text())))
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
