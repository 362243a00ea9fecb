//! Lists that are read page by page.
//!
//! A page ends with the place of its last row, not with a count: rows that come or go meanwhile are neither shown
//! twice nor skipped, and page one thousand costs no more than page one.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{StoreError, time};

/// How many rows a page has at most, whatever was asked for.
pub(crate) const LIMIT_MAX: u32 = 500;

/// Where a page ended: give it back to get the next one. Its text form is for URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The time the list is sorted by.
    pub at: DateTime<Utc>,
    /// The row at that time.
    pub id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.at.timestamp_millis(), self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let broken = || StoreError::Corrupt("this cursor was not handed out here".into());
        let (millis, id) = text.split_once('_').ok_or_else(broken)?;
        Ok(Self {
            at: time::at(millis.parse().map_err(|_| broken())?).map_err(|_| broken())?,
            id: id.parse().map_err(|_| broken())?,
        })
    }
}

/// Some rows and, if there are more, where they go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// What to ask for the next page with; `None` on the last one.
    pub next: Option<Cursor>,
}

/// How many rows to read for a page of `limit`: one more, to see whether the list goes on.
pub(crate) fn rows_for(limit: u32) -> i64 {
    i64::from(limit.clamp(1, LIMIT_MAX)) + 1
}

/// Ends a statement of a list of `table`, newest first: where to go on, the order, how many.
///
/// The row comparison is one range of the index; spelled out as `a < x OR (a = x AND b < y)` it would be a filter.
macro_rules! push_newest_after {
    ($query:expr, $table:literal, $after:expr, $limit:expr) => {
        if let Some(cursor) = $after {
            $query.push(concat!(" AND (", $table, ".created_at, ", $table, ".id) < ("));
            $query
                .push_bind(cursor.at.timestamp_millis())
                .push(", ")
                .push_bind(cursor.id)
                .push(")");
        }
        $query.push(concat!(
            " ORDER BY ",
            $table,
            ".created_at DESC, ",
            $table,
            ".id DESC LIMIT "
        ));
        $query.push_bind($crate::page::rows_for($limit));
    };
}
pub(crate) use push_newest_after;

impl<T> Page<T> {
    /// Makes a page out of what was read with [`rows_for`].
    pub(crate) fn of(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = limit.clamp(1, LIMIT_MAX) as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }

    /// The same page of what `item` makes of its rows.
    pub(crate) fn map<U>(self, item: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(item).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_form() {
        let cursor = Cursor {
            at: time::at(1_700_000_000_123).unwrap(),
            id: Uuid::from_u128(7),
        };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for broken in [
            "",
            "_",
            "1",
            "x_1",
            "9999999999999999999_00000000000000000000000000000007",
        ] {
            assert!(broken.parse::<Cursor>().is_err(), "{broken}");
        }
    }

    #[test]
    fn only_a_page_that_is_not_the_last_has_a_cursor() {
        let cursor = |&n: &u128| Cursor {
            at: time::at(0).unwrap(),
            id: Uuid::from_u128(n),
        };
        assert_eq!(Page::of(vec![1, 2], 2, cursor).next, None);
        let page = Page::of(vec![1, 2, 3], 2, cursor);
        assert_eq!((page.items, page.next.unwrap().id), (vec![1, 2], Uuid::from_u128(2)));
    }
}
