//! The inbox: interactions, narrowed to what somebody looks for.
//!
//! It has one order of two: newest first, or, of what is planned for a span of time, soonest first. Each way to narrow it has
//! an index that begins with what is asked for and goes on in the list's order, so that a page reads as many rows as it
//! shows. What is open stands in two statuses, which are two places of an index: a page of each is read. `holder` is the
//! assignee, and zeros for nobody. A question with words goes along the index of its longest word; what else is asked for is
//! looked for there.

use domain::interaction::{DueWindow, InteractionStatus, search};
use domain::{TenantId, UserId};
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::interactions::{Interaction, Row};
use crate::{Cursor, Page, Store, StoreError};

/// Whose work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody's.
    Nobody,
    /// This member's.
    User(UserId),
}

/// When work is planned for. What is done is planned for no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planned {
    /// For a time in this window.
    Within(DueWindow),
    /// For none.
    Not,
}

/// What the inbox is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboxFilter {
    /// Only this status.
    pub status: Option<InteractionStatus>,
    /// Only this person's, or nobody's.
    pub holder: Option<Holder>,
    /// Only open work that is planned like this.
    pub planned: Option<Planned>,
    /// Only what all words of this question find.
    pub question: Option<String>,
}

impl Holder {
    /// What stands in the column of the same name.
    pub(crate) const fn stored(self) -> Uuid {
        match self {
            Self::Nobody => Uuid::nil(),
            Self::User(user) => user.0,
        }
    }

    /// Of an assignee.
    pub(crate) fn of(assignee: Option<UserId>) -> Self {
        assignee.map_or(Self::Nobody, Self::User)
    }
}

/// The order of a list, and where it goes on.
pub(crate) struct Order {
    pub(crate) after: &'static str,
    pub(crate) by: &'static str,
}

const SOONEST: Order = Order {
    after: " AND (interaction.next_action_at, interaction.id) > (",
    by: " ORDER BY next_action_at, id LIMIT ",
};
const NEWEST: Order = Order {
    after: " AND (interaction.created_at, interaction.id) < (",
    by: " ORDER BY created_at DESC, id DESC LIMIT ",
};
const NEWEST_FOUND: Order = Order {
    after: " AND (word.created_at, word.interaction_id) < (",
    by: " ORDER BY word.created_at DESC, word.interaction_id DESC LIMIT ",
};

impl InboxFilter {
    /// The window, if the list is in the order of the next action.
    fn window(&self) -> Option<DueWindow> {
        match self.planned {
            Some(Planned::Within(window)) if self.question.is_none() => Some(window),
            _ => None,
        }
    }

    pub(crate) fn order(&self) -> Order {
        match (self.window(), &self.question) {
            (Some(_), _) => SOONEST,
            (None, None) => NEWEST,
            (None, Some(_)) => NEWEST_FOUND,
        }
    }

    /// The statuses whose rows are merged; `None` is any.
    pub(crate) fn statuses(&self) -> Vec<Option<InteractionStatus>> {
        match (self.status, self.planned, &self.question) {
            (None, Some(_), None) => vec![Some(InteractionStatus::Todo), Some(InteractionStatus::InProgress)],
            (status, ..) => vec![status],
        }
    }

    /// The same filter and place with one of the two ends at which the list may begin: whichever is later. Given both, a
    /// planner may take the earlier one and step over everything between.
    pub(crate) fn begin(mut self, after: Option<Cursor>) -> (Self, Option<Cursor>) {
        let (Some(window), Some(cursor)) = (self.window(), after) else {
            return (self, after);
        };
        let is_past = window.from.is_some_and(|from| cursor.at < from);
        if !is_past {
            self.planned = Some(Planned::Within(DueWindow { from: None, ..window }));
        }
        (self, after.filter(|_| !is_past))
    }
}

/// The inbox's statement, with only the conditions that were asked for, so that each has its index. `hashes` are those of
/// the question's words, `except` is whose work is left out.
macro_rules! inbox {
    ($tenant:expr, $filter:expr, $hashes:expr, $except:expr, $after:expr, $limit:expr) => {{
        let (hashes, except): (&[Vec<u8>], Option<$crate::Holder>) = ($hashes, $except);
        let (filter, after): ($crate::InboxFilter, Option<$crate::Cursor>) = $filter.clone().begin($after);
        let order = filter.order();
        // The number itself: a planner that is not told it expects a tenth of all rows to be asked for, and sorts them.
        let rows = $crate::page::rows_for($limit);
        let statuses = filter.statuses();
        // Each status gives as many rows as are asked for, along its index, and of those the first are taken.
        let (open, close) = if statuses.len() > 1 {
            ("SELECT * FROM (", ") ")
        } else {
            ("", "")
        };
        let mut query = QueryBuilder::new("");
        for (place, status) in statuses.iter().enumerate() {
            query
                .push(if place > 0 { " UNION ALL " } else { "" })
                .push(open)
                .push($crate::interactions::COLUMNS);
            $crate::interaction_inbox::push_source!(query, $tenant, hashes);
            if let Some(except) = except {
                query.push(" AND interaction.holder <> ").push_bind(except.stored());
            }
            $crate::interaction_inbox::push_narrowed!(query, filter.holder, status, filter.planned, hashes.is_empty());
            if let Some(cursor) = after {
                query.push(order.after).push_bind(cursor.at.timestamp_millis());
                query.push(", ").push_bind(cursor.id).push(")");
            }
            query.push(order.by).push(rows).push(close);
            if let (false, Some(status)) = (close.is_empty(), status) {
                query.push(status.as_str());
            }
        }
        if statuses.len() > 1 {
            query.push(order.by).push(rows);
        }
        query
    }};
}

/// Where the rows come from: the table, or what words find of it.
macro_rules! push_source {
    ($query:ident, $tenant:expr, $hashes:expr) => {
        if let Some((first, others)) = $hashes.split_first() {
            // SQLite takes the tables of a CROSS JOIN in their order, so that rows come in that of the first word's, and the
            // other words are only looked up.
            $query.push(" FROM interaction_words word");
            for number in 0..others.len() {
                $query.push(format!(" CROSS JOIN interaction_words word{number}"));
            }
            $query.push(
                " CROSS JOIN interactions interaction
                 WHERE interaction.tenant_id = word.tenant_id AND interaction.id = word.interaction_id AND word.tenant_id = ",
            );
            $query.push_bind($tenant.0);
            $query.push(" AND word.word_hash = ").push_bind(first.clone());
            for (number, other) in others.iter().enumerate() {
                $query.push(format!(
                    " AND word{number}.tenant_id = word.tenant_id AND word{number}.created_at = word.created_at
                      AND word{number}.interaction_id = word.interaction_id AND word{number}.word_hash = "
                ));
                $query.push_bind(other.clone());
            }
        } else {
            $query.push(" FROM interactions interaction WHERE interaction.tenant_id = ");
            $query.push_bind($tenant.0);
        }
    };
}

/// What of the filter can change while somebody looks at a list of it: all but the words.
macro_rules! push_narrowed {
    ($query:ident, $holder:expr, $status:expr, $planned:expr, $is_by_plan:expr) => {
        if let Some(holder) = $holder {
            $query.push(" AND interaction.holder = ").push_bind(holder.stored());
        }
        if let Some(status) = $status {
            $query.push(" AND interaction.status = ").push_bind(status.as_str());
        }
        $crate::interaction_inbox::push_planned!($query, $planned, $is_by_plan);
    };
}

/// How the rows are planned. Word for word the conditions of the indexes, which hold nothing that is done. Of a list in the
/// order of the plan the end of the window is left out, and what is read beyond it is dropped: between two ends that it does
/// not know a planner expects little, and sorts.
macro_rules! push_planned {
    ($query:ident, $planned:expr, $is_by_plan:expr) => {
        match $planned {
            None => {}
            Some($crate::Planned::Not) => {
                $query.push(" AND interaction.next_action_at IS NULL AND interaction.status <> 'done'");
            }
            Some($crate::Planned::Within(window)) => {
                $query.push(" AND interaction.next_action_at IS NOT NULL AND interaction.status <> 'done'");
                if let Some(from) = window.from {
                    $query.push(" AND interaction.next_action_at >= ");
                    $query.push_bind(from.timestamp_millis());
                }
                if let Some(before) = window.before.filter(|_| !$is_by_plan) {
                    $query.push(" AND interaction.next_action_at < ");
                    $query.push_bind(before.timestamp_millis());
                }
            }
        }
    };
}
#[cfg(test)]
pub(crate) use inbox;
pub(crate) use {push_narrowed, push_planned, push_source};

impl Store {
    /// A tenant's interactions: newest first, or what is planned for a window, if nothing is searched for, soonest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn inbox(
        &self,
        tenant: TenantId,
        filter: &InboxFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Interaction>, StoreError> {
        let is_by_plan = filter.window().is_some();
        let found = self.inbox_except(tenant, filter, None, after, limit).await?;
        Ok(Page::of(found, limit, |item: &Interaction| Cursor {
            at: item.next_action_at.filter(|_| is_by_plan).unwrap_or(item.created_at),
            id: item.id.0,
        }))
    }

    /// The same without anything of `except`; one row more than `limit`, if there is one.
    pub(crate) async fn inbox_except(
        &self,
        tenant: TenantId,
        filter: &InboxFilter,
        except: Option<Holder>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<Interaction>, StoreError> {
        let words = filter.question.as_deref().map(search::asked_for);
        if words.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let hashes = self.word_hashes_to_find(tenant, &words.unwrap_or_default()).await?;
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = inbox!(tenant, filter, &hashes, except, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let before = filter.window().and_then(|window| window.before);
        rows.into_iter()
            .take_while(|row| before.is_none_or(|before| row.is_planned_before(before)))
            .map(|row| row.open(&self.keyring))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::time;

    #[test]
    fn a_list_begins_at_the_later_of_its_window_and_where_it_went_on() {
        let at = |millis| time::at(millis).unwrap();
        let check = |from: Option<i64>, cursor: Option<i64>, expected: (Option<i64>, Option<i64>)| {
            let filter = InboxFilter {
                planned: Some(Planned::Within(DueWindow {
                    from: from.map(at),
                    before: Some(at(9)),
                })),
                ..InboxFilter::default()
            };
            let cursor = cursor.map(|millis| Cursor {
                at: at(millis),
                id: Uuid::nil(),
            });
            let (filter, after) = filter.begin(cursor);
            let window = filter.window().unwrap();
            assert_eq!(window.before, Some(at(9)));
            assert_eq!(
                (window.from, after.map(|after| after.at)),
                (expected.0.map(at), expected.1.map(at))
            );
        };
        check(None, None, (None, None));
        check(Some(3), None, (Some(3), None));
        check(None, Some(5), (None, Some(5)));
        check(Some(3), Some(5), (None, Some(5)));
        check(Some(3), Some(3), (None, Some(3)));
        check(Some(6), Some(5), (Some(6), None));
    }
}
