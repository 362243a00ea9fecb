//! Suppressions.

use domain::{Channel, EventKind, Lift, Recipient, ReportRecord, Suppression};
use store::{Suppressed, SuppressionFilter};

use crate::fresh::{Fresh, now, second};
use crate::scene::{ADDRESS, NUMBER, mail_report, recipient};

impl Fresh {
    async fn suppress(&self, channel: Channel, to: &str, reason: Suppression, seconds: i64) -> bool {
        let (to, at) = (recipient(to), second(seconds));
        let said = self.store.suppress(self.tenant, channel, &to, reason, "api", at);
        said.await.unwrap()
    }

    async fn lift(&self, channel: Channel, to: &str, lift: Lift, seconds: i64) -> Vec<Suppression> {
        self.store
            .lift(self.tenant, channel, &recipient(to), lift, second(seconds))
            .await
            .unwrap()
    }

    pub(crate) async fn reasons(&self, channel: Channel, to: &str) -> Vec<Suppression> {
        let found = self
            .store
            .suppressions_of(self.tenant, channel, &recipient(to))
            .await
            .unwrap();
        found.into_iter().map(|found| found.reason).collect()
    }
}

async fn a_suppression_stands_until_something_that_may_lifts_it(fresh: Fresh) {
    assert!(fresh.suppress(Channel::Sms, NUMBER, Suppression::Stop, 0).await);
    assert!(
        !fresh.suppress(Channel::Sms, NUMBER, Suppression::Stop, 1).await,
        "it stands already"
    );
    assert!(fresh.suppress(Channel::Sms, NUMBER, Suppression::Manual, 2).await);
    assert_eq!(
        fresh.reasons(Channel::Sms, "+33 6 12 34 56 78").await,
        [Suppression::Stop, Suppression::Manual]
    );
    assert_eq!(fresh.reasons(Channel::Whatsapp, NUMBER).await, []);
    assert_eq!(
        fresh.lift(Channel::Sms, NUMBER, Lift::Operator, 3).await,
        [Suppression::Manual]
    );
    assert_eq!(fresh.lift(Channel::Sms, NUMBER, Lift::Operator, 4).await, []);
    assert_eq!(fresh.reasons(Channel::Sms, NUMBER).await, [Suppression::Stop]);
    assert_eq!(
        fresh.lift(Channel::Sms, NUMBER, Lift::Start, 5).await,
        [Suppression::Stop]
    );
    assert_eq!(fresh.reasons(Channel::Sms, NUMBER).await, []);
}

async fn whoever_asks_now_means_now_also_within_one_millisecond(fresh: Fresh) {
    for _ in 0..2 {
        assert!(fresh.suppress(Channel::Email, ADDRESS, Suppression::Manual, 0).await);
        assert_eq!(fresh.reasons(Channel::Email, ADDRESS).await, [Suppression::Manual]);
        assert_eq!(
            fresh.lift(Channel::Email, ADDRESS, Lift::Operator, 0).await,
            [Suppression::Manual]
        );
        assert_eq!(fresh.reasons(Channel::Email, ADDRESS).await, []);
    }
    // A provider whose clock is ahead.
    let ahead = ReportRecord {
        recipient: Some(recipient(ADDRESS)),
        occurred_at: second(500),
        ..mail_report("S1", EventKind::Complained, "1")
    };
    fresh.hear(&ahead).await;
    assert_eq!(
        fresh.lift(Channel::Email, ADDRESS, Lift::Operator, 1).await,
        [Suppression::Complaint]
    );
    assert_eq!(fresh.reasons(Channel::Email, ADDRESS).await, []);
}

async fn the_list_is_newest_first_narrowed_and_read_page_by_page(fresh: Fresh) {
    for n in 0..5 {
        fresh
            .suppress(Channel::Email, &format!("a{n}@example.com"), Suppression::Manual, n / 2)
            .await;
    }
    fresh.suppress(Channel::Sms, NUMBER, Suppression::Stop, 9).await;
    fresh
        .suppress(Channel::Email, "gone@example.com", Suppression::Manual, 9)
        .await;
    fresh.lift(Channel::Email, "gone@example.com", Lift::Operator, 10).await;
    let list = async |filter: &SuppressionFilter, after, limit| {
        fresh
            .store
            .suppressions(fresh.tenant, filter, after, limit)
            .await
            .unwrap()
    };
    let all = list(&SuppressionFilter::default(), None, 50).await.items;
    assert_eq!(all.len(), 6);
    let expected = Suppressed {
        channel: Channel::Sms,
        recipient: Some(recipient(NUMBER)),
        reason: Suppression::Stop,
        since: second(9),
        source: "api".into(),
    };
    assert_eq!(all[0], expected);
    assert!(all.windows(2).all(|pair| pair[0].since >= pair[1].since));
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = list(&SuppressionFilter::default(), after, 2).await;
        pages.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, all);
    let stops = SuppressionFilter {
        channel: Some(Channel::Sms),
        reason: Some(Suppression::Stop),
    };
    assert_eq!(list(&stops, None, 50).await.items, all[..1]);
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let to: Recipient = recipient(NUMBER);
    let theirs = fresh
        .store
        .suppressions(other, &SuppressionFilter::default(), None, 50)
        .await;
    assert_eq!(theirs.unwrap().items, []);
    assert_eq!(fresh.store.suppressions_of(other, Channel::Sms, &to).await.unwrap(), []);
    assert_eq!(
        fresh
            .store
            .lift(other, Channel::Sms, &to, Lift::Start, now())
            .await
            .unwrap(),
        []
    );
    assert_eq!(fresh.reasons(Channel::Sms, NUMBER).await, [Suppression::Stop]);
}

both!(
    a_suppression_stands_until_something_that_may_lifts_it,
    whoever_asks_now_means_now_also_within_one_millisecond,
    the_list_is_newest_first_narrowed_and_read_page_by_page,
);
