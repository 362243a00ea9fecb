//! Whether the backend shows what the list has: every figure, every job, every dead letter.

use futures_util::future::join_all;
use queue::backend::{DeadFilter, DeadGroup, Kept, Reason, State};
use queue::grouping::GroupId;
use queue::{JobId, Queue};

use super::{World, id, tenant};
use crate::operations::KEYS;
use crate::scripted::ATTEMPTS;
use crate::support::model::{Entry, Known, POISON};

impl World {
    /// Every figure and every job.
    pub(crate) async fn compare(&mut self) {
        let now = self.fixture.now();
        self.seen
            .extend(self.model.jobs.values().filter_map(|entry| match &entry.state {
                State::Dead { reason, .. } => Some(reason.name()),
                State::Parked { .. } => Some("parked"),
                State::Behind { head } if self.model.jobs[head].is_dead() => Some("a line that holds"),
                State::Behind { .. } => Some("behind another"),
                State::Running { .. } if entry.crashes > 0 && entry.attempts > 0 => Some("crash after a failure"),
                _ => None,
            }));
        let real = self.fixture.counts().await;
        let listed = self.model.counts(Queue::Default);
        let due = self.model.jobs.values().filter(|entry| is_due(entry, now)).count() as u64;
        assert_eq!(
            real.ready + real.scheduled,
            listed.ready + listed.scheduled,
            "ready and scheduled"
        );
        assert!(
            (listed.ready..=listed.ready + due).contains(&real.ready),
            "ready: {real:?}, listed {listed:?}"
        );
        assert_eq!(
            (real.running, real.parked, real.behind),
            (listed.running, listed.parked, listed.behind),
            "running, parked, behind"
        );
        let limits = self.fixture.queue.limits(Queue::Default, now).await.unwrap();
        assert_eq!(limits, self.model.limits(Queue::Default, now));
        let gates = self.fixture.queue.gates(Queue::Default).await.unwrap();
        assert_eq!(gates, self.model.parked(Queue::Default));
        assert_eq!((real.dead, real.paused), (listed.dead, listed.paused), "dead, paused");
        join_all((0..KEYS).map(|key| self.compare_job(id(key), now))).await;
        self.compare_dead().await;
    }

    /// Groups and lists of dead letters, all of them and those of one tenant and of one group.
    async fn compare_dead(&self) {
        let all = DeadFilter::default();
        let groups = self.compare_letters(&all).await;
        let filters = [
            DeadFilter {
                tenant: Some(tenant(0)),
                ..all.clone()
            },
            DeadFilter {
                group: groups.first().map(|group| group.id),
                since: groups.first().map(|group| group.last_died_at),
                ..all.clone()
            },
            DeadFilter {
                text: Some("REFUSED for the 1".into()),
                ..all
            },
        ];
        if !groups.is_empty() {
            for filter in &filters {
                self.compare_letters(filter).await;
            }
        }
    }

    async fn compare_letters(&self, filter: &DeadFilter) -> Vec<DeadGroup> {
        let groups = self.fixture.queue.dead_groups(filter).await.unwrap();
        let page = self.fixture.queue.list_dead(filter, None, 1000).await.unwrap();
        let (mut shown, mut listed) = (groups.clone(), self.model.dead_groups(filter));
        // What is noted of workers that died is each backend's own matter.
        for group in shown
            .iter_mut()
            .chain(&mut listed)
            .filter(|group| group.reason == Reason::Poison)
        {
            group.error.clear();
            group.id = GroupId(0);
        }
        let sorted = |mut groups: Vec<DeadGroup>| {
            groups.sort_by_key(|group| (group.id, group.count));
            groups
        };
        let poison = groups
            .iter()
            .any(|group| Some(group.id) == filter.group && group.reason == Reason::Poison);
        if !poison {
            assert_eq!(sorted(shown), sorted(listed), "{filter:?}");
            let ids = |letters: &[Kept]| letters.iter().map(|letter| letter.id).collect::<Vec<_>>();
            assert_eq!(ids(&page.items), ids(&self.model.dead(filter)), "{filter:?}");
        }
        groups
    }

    async fn compare_job(&self, id: JobId, now: i64) {
        let real = self.fixture.find(id).await;
        let Some(entry) = self.model.jobs.get(&id) else {
            assert!(
                real.is_none(),
                "{id} has ended, but is found: {:?}",
                real.map(|kept| kept.state)
            );
            let ended = self.fixture.queue.ended(id).await.unwrap();
            match self.model.known(id, now) {
                Known::Surely => assert!(ended, "{id} ended not long ago"),
                Known::No => assert!(!ended, "{id} was never there"),
                Known::Perhaps => {}
            }
            return;
        };
        let real = real.unwrap_or_else(|| panic!("{id} is lost; listed as {:?}", entry.state));
        assert!(
            real.state == entry.state || is_due(entry, now) && real.state == State::Ready,
            "{id}: {:?}",
            real.state
        );
        assert_eq!(
            (real.attempts, real.crashes),
            (entry.attempts, entry.crashes),
            "{id}: attempts, crashes"
        );
        assert!(real.attempts <= ATTEMPTS);
        assert_eq!((real.tenant, &real.keys), (entry.tenant, &entry.keys));
        assert!(real.body == entry.body, "{id}: its body");
        let mut errors = real.errors;
        for (error, listed) in errors
            .iter_mut()
            .zip(&entry.errors)
            .filter(|(_, listed)| listed.error == POISON)
        {
            error.error.clone_from(&listed.error);
        }
        assert_eq!(errors, entry.errors, "{id}: its errors");
        if matches!(entry.state, State::Running { .. }) {
            let cancelled = self.fixture.queue.cancelled(Queue::Default, &[id]).await.unwrap();
            assert_eq!(!cancelled.is_empty(), entry.cancelled, "{id}: cancelled");
        }
    }
}

fn is_due(entry: &Entry, now: i64) -> bool {
    matches!(entry.state, State::Scheduled { run_at } if run_at <= now)
}
