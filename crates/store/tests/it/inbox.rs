//! The inbox: narrowed in every way, page by page, and searched although texts lie sealed.

use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::PersonalText;
use domain::Role;
use domain::interaction::{Due, InteractionStatus};
use store::{Holder, InboxFilter, Interaction, InteractionDraft, InteractionEdit, Planned};

use crate::fresh::{Fresh, now, second};
use crate::interactions::draft;

impl Fresh {
    async fn titles(&self, filter: &InboxFilter) -> Vec<String> {
        let page = self.store.inbox(self.tenant, filter, None, 100).await.unwrap();
        let title = |interaction: Interaction| interaction.title.map(|title| title.expose().to_owned());
        page.items.into_iter().filter_map(title).collect()
    }
}

async fn the_inbox_is_narrowed_in_every_way_and_pages_join(fresh: Fresh) {
    let ben = fresh.join(fresh.tenant, "ben@example.com", Role::Sales).await.user;
    let mut all = Vec::new();
    for n in 0..24_i64 {
        let asked = InteractionDraft {
            assignee: (n % 3 == 0).then_some(ben),
            // Overdue, later today, on another day, or none.
            next_action_at: [
                Some(second(-n - 1)),
                Some(second(n)),
                Some(now() + TimeDelta::days(n + 1)),
                None,
            ][usize::try_from(n % 4).unwrap()],
            ..draft(&format!("number {n}"))
        };
        let created = fresh.ask_for(&asked, second(n / 2)).await;
        let status = InteractionStatus::ALL[usize::try_from(n / 4 % 3).unwrap()];
        all.push(match status {
            InteractionStatus::Todo => created,
            status => fresh.edit(created.id, InteractionEdit::Status(status)).await,
        });
    }
    let windows = [Due::Overdue, Due::Today, Due::Upcoming, Due::None].map(|due| {
        let window = due.window(now(), Tz::UTC);
        Some(window.map_or(Planned::Not, Planned::Within))
    });
    for planned in windows.into_iter().chain([None]) {
        for holder in [None, Some(Holder::Nobody), Some(Holder::User(ben))] {
            for status in InteractionStatus::ALL.iter().copied().map(Some).chain([None]) {
                let filter = InboxFilter {
                    status,
                    holder,
                    planned,
                    question: None,
                };
                let found = pages(&fresh, &filter).await;
                let mut expected: Vec<_> = all.iter().filter(|one| is_in(one, &filter)).cloned().collect();
                match planned {
                    Some(Planned::Within(_)) => expected.sort_by_key(|one| (one.next_action_at, one.id)),
                    _ => expected.sort_by_key(|one| std::cmp::Reverse((one.created_at, one.id))),
                }
                assert_eq!(found, expected, "{filter:?}");
            }
        }
    }
}

/// What the filter says, as a list would be filtered by hand.
fn is_in(one: &Interaction, filter: &InboxFilter) -> bool {
    let holder = match filter.holder {
        None => true,
        Some(Holder::Nobody) => one.assignee.is_none(),
        Some(Holder::User(user)) => one.assignee == Some(user),
    };
    let is_open = one.status != InteractionStatus::Done;
    let planned = match (filter.planned, one.next_action_at) {
        (None, _) => true,
        (Some(Planned::Not), at) => is_open && at.is_none(),
        (Some(Planned::Within(window)), at) => is_open && at.is_some_and(|at| window.covers(at)),
    };
    holder && planned && filter.status.is_none_or(|status| one.status == status)
}

async fn pages(fresh: &Fresh, filter: &InboxFilter) -> Vec<Interaction> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = fresh.store.inbox(fresh.tenant, filter, after, 3).await.unwrap();
        found.extend(page.items);
        let Some(next) = page.next else { return found };
        after = Some(next.to_string().parse().unwrap());
    }
}

async fn words_find_what_lies_sealed_and_other_tenants_find_nothing(fresh: Fresh) {
    for (title, note) in [
        ("Rappeler Zoë Lefèvre", "devis 17"),
        ("Zoe, again", ""),
        ("Nothing of it", ""),
    ] {
        let asked = InteractionDraft {
            note: Some(PersonalText::new(note)),
            ..draft(title)
        };
        fresh.ask_for(&asked, now()).await;
    }
    let asked = |question: &str| InboxFilter {
        question: Some(question.into()),
        ..InboxFilter::default()
    };
    let check = async |question: &str, expected: usize| {
        assert_eq!(fresh.titles(&asked(question)).await.len(), expected, "{question}");
        assert_eq!(pages(&fresh, &asked(question)).await.len(), expected, "{question}");
    };
    check("zoe", 2).await;
    check("ZOË devis", 1).await;
    check("lef rap", 1).await;
    check("zoe nothing", 0).await;
    check("?", 0).await;
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let theirs = fresh.store.inbox(other, &asked("zoe"), None, 10).await.unwrap();
    assert_eq!(theirs.items, []);
}

both!(
    the_inbox_is_narrowed_in_every_way_and_pages_join,
    words_find_what_lies_sealed_and_other_tenants_find_nothing,
);
