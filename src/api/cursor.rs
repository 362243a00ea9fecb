//! Parameters of lists: where to go on, and how many.
//!
//! A cursor is the name of its list and a place in that list's order. In another order the same place has other rows before
//! it, which a list that went on there would never show: so a cursor of another list is refused.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use store::Cursor;
use utoipa::IntoParams;

use super::body;
use crate::problem::{Code, Problem};

/// What stands between a list's name and the place.
const BEHIND_NAME: char = '.';

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
/// be. Its value is not repeated. Where the library says nothing of that, a number could not be read.
fn fault(text: &str) -> String {
    let text = text.rsplit_once("query string: ").map_or(text, |(_, fault)| fault);
    let (name, why) = text.split_once(": ").unwrap_or(("", text));
    if let Some(twice) = why.strip_prefix("duplicate field ") {
        return format!("{twice} is given twice.");
    }
    match why.strip_prefix("unknown field ") {
        Some(rest) => match rest.split_once(", expected ") {
            Some((unknown, known)) => format!("There is no parameter {unknown} here, only {known}."),
            None => format!("There is no parameter {rest} here."),
        },
        None if name.is_empty() => format!("The query cannot be read: {why}."),
        None => {
            let expected = body::expected(why).unwrap_or("a whole number".into());
            format!("`{name}` must be {expected}.")
        }
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
    /// Where to go on in the list of that name, and how many.
    pub(super) fn read(&self, list: &str) -> Result<(Option<Cursor>, u32), Problem> {
        Ok((cursor(list, self.cursor.as_deref())?, limit(self.limit)?))
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

/// The place that a cursor names, which must be one of the list of that name.
pub(super) fn cursor<T: FromStr>(list: &str, given: Option<&str>) -> Result<Option<T>, Problem> {
    let place = |text: &str| text.strip_prefix(list)?.strip_prefix(BEHIND_NAME)?.parse().ok();
    let foreign = || {
        Problem::new(
            Code::ParameterInvalid,
            "`cursor` must be the `next_cursor` of an answer before, of the same list in the same order.",
        )
    };
    given.map(|text| place(text).ok_or_else(foreign)).transpose()
}

/// The cursor of a place in the list of that name.
pub(super) fn next(list: &str, place: Option<impl Display>) -> Option<String> {
    place.map(|place| format!("{list}{BEHIND_NAME}{place}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::http::Request;

    #[test]
    fn a_cursor_is_taken_by_its_own_list_alone() {
        let place = Cursor {
            at: chrono::DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
            id: uuid::Uuid::from_u128(7),
        };
        let given = next("inbox", Some(place)).unwrap();
        let read = |list: &str, given: &str| cursor::<Cursor>(list, Some(given)).map_err(|problem| problem.detail);
        assert_eq!(read("inbox", &given), Ok(Some(place)));
        for (list, given) in [
            ("inbox", place.to_string()),
            ("inbox", String::new()),
            ("inbox", "inbox.".to_owned()),
            ("overdue", given.clone()),
            ("in", given.clone()),
            ("", given),
        ] {
            let refused = read(list, &given).unwrap_err();
            assert!(refused.starts_with("`cursor` must be the `next_cursor`"), "{refused}");
        }
        assert_eq!(cursor::<Cursor>("inbox", None).unwrap(), None);
        assert_eq!(next("inbox", None::<Cursor>), None);
    }

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
            check::<List>(query, expected).await;
        }
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only parsed")]
    struct Narrowed {
        channel: Option<domain::Channel>,
        contact_id: Option<uuid::Uuid>,
        min_score: Option<i64>,
    }

    #[tokio::test]
    async fn what_a_parameter_must_be_is_said_in_plain_words() {
        for (query, expected) in [
            ("channel=pigeon", "`channel` must be one of email, sms, whatsapp."),
            ("contact_id=x", "`contact_id` must be an id (UUID)."),
            ("min_score=x", "`min_score` must be a whole number."),
            ("min_score=1&min_score=2", "`min_score` is given twice."),
        ] {
            check::<Narrowed>(query, expected).await;
        }
    }

    async fn check<T: DeserializeOwned>(query: &str, expected: &str) {
        let request = Request::get(format!("/?{query}")).body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        let refused = Parameters::<T>::from_request_parts(&mut parts, &()).await;
        assert_eq!(refused.err().unwrap().detail, expected, "{query}");
    }
}
