//! By which rules scores change, and what ledgers say of it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::scoring::{Decay, Reason, ScoreRules, Weights};
use domain::{AuditAction, Author, ContactId, EmailEvent, EmailEventRecord, TenantId};
use secrecy::ExposeSecret as _;
use store::{Applied, AuditFilter, HotLeadHook, Recorded, ScoreSettings, StoreError};
use uuid::Uuid;

use crate::fresh::{Fresh, event, now, of_person, second};

/// So many weeks after [`now`], which is a Thursday.
pub(crate) fn week(weeks: i64) -> DateTime<Utc> {
    now() + TimeDelta::weeks(weeks)
}

impl Fresh {
    /// Changes the tenant's rules at this moment.
    pub(crate) async fn rules(&self, at: DateTime<Utc>, change: impl FnOnce(&mut ScoreRules)) {
        let change = |mut settings: ScoreSettings| {
            change(&mut settings.rules);
            Ok::<_, StoreError>(settings)
        };
        let author = Author::system();
        self.store
            .change_score_settings(self.tenant, change, &author, at)
            .await
            .unwrap();
    }

    /// Hot leads are told at this address from now on.
    pub(crate) async fn hook(&self, url: &str) {
        let hook = HotLeadHook {
            url: url.into(),
            secret: "whsec_YQ==".into(),
        };
        let change = |settings| {
            Ok::<_, StoreError>(ScoreSettings {
                hook: Some(hook),
                ..settings
            })
        };
        let author = Author::system();
        self.store
            .change_score_settings(self.tenant, change, &author, now())
            .await
            .unwrap();
    }

    /// Records an event of that moment that must be new.
    pub(crate) async fn apply_at(&self, record: &EmailEventRecord, at: DateTime<Utc>) -> Applied {
        let record = EmailEventRecord {
            occurred_at: at,
            ..record.clone()
        };
        let recorded = self
            .store
            .record_email_event(self.tenant, self.endpoint, &record, at)
            .await;
        match recorded.unwrap() {
            Recorded::Applied(applied) => applied,
            Recorded::Duplicate { .. } => panic!("this event should be new"),
        }
    }

    /// Somebody clicks in a message of their own for the first time: with the usual rules 8 points.
    pub(crate) async fn click(&self, person: &str, message: &str, at: DateTime<Utc>) -> Applied {
        let record = of_person(event(message, EmailEvent::Clicked, &format!("click {message}")), person);
        self.apply_at(&record, at).await
    }

    /// (reason, points, moved, score after) of a contact's ledger.
    pub(crate) async fn ledger(&self, contact: ContactId) -> Vec<(Reason, i64, i64, i64)> {
        let lines = self.store.lead_ledger(self.tenant, contact, None, 500).await.unwrap();
        lines
            .into_iter()
            .map(|line| (line.reason, line.points, line.moved, line.score_after))
            .collect()
    }

    /// Whether what ledgers say moved every score to what it is.
    pub(crate) async fn assert_ledgers_add_up(&self) {
        let apart = "SELECT COUNT(*) FROM lead_scores lead WHERE lead.score <>
             (SELECT COALESCE(SUM(line.moved), 0) FROM lead_ledger line
              WHERE line.tenant_id = lead.tenant_id AND line.contact_id = lead.contact_id)";
        assert_eq!(self.count(apart).await, 0, "a ledger does not add up to its score");
    }
}

async fn a_change_of_the_rules_counts_from_then_on(fresh: Fresh) {
    let first = of_person(event("1", EmailEvent::Opened, "1"), "ada");
    let contact = fresh.apply(&first).await.contact;
    fresh
        .rules(now(), |rules| {
            rules.weights = Weights {
                first_open: 5,
                repeated_open: 0,
                bounce: -2,
                ..rules.weights
            };
        })
        .await;
    assert!(matches!(fresh.record(&first).await, Recorded::Duplicate { .. }));
    fresh
        .apply(&of_person(event("1", EmailEvent::Opened, "2"), "ada"))
        .await;
    fresh
        .apply(&of_person(event("2", EmailEvent::Opened, "3"), "ada"))
        .await;
    fresh
        .apply(&of_person(event("2", EmailEvent::Bounced, "4"), "ada"))
        .await;
    assert_eq!(
        fresh.ledger(contact).await,
        [
            (Reason::FirstOpen, 3, 3, 3),
            (Reason::FirstOpen, 5, 5, 8),
            (Reason::Bounce, -2, -2, 6)
        ]
    );
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 6)]);
}

async fn a_bounce_takes_no_more_than_there_is_and_an_open_after_it_counts_whole(fresh: Fresh) {
    let apply = async |kind, identity| fresh.apply(&of_person(event("m", kind, identity), "ada")).await;
    let contact = apply(EmailEvent::Bounced, "1").await.contact;
    apply(EmailEvent::Opened, "2").await;
    apply(EmailEvent::Bounced, "3").await;
    assert_eq!(
        fresh.ledger(contact).await,
        [
            (Reason::Bounce, -10, 0, 0),
            (Reason::FirstOpen, 3, 3, 3),
            (Reason::Bounce, -10, -3, 0)
        ]
    );
    fresh.assert_ledgers_add_up().await;
}

async fn rules_are_what_they_were_last_set_to_and_whoever_changes_them_is_written_down(fresh: Fresh) {
    let known = fresh.store.score_settings(fresh.tenant).await.unwrap();
    assert_eq!(known.rules, ScoreRules::default());
    assert!(known.hook.is_none());
    let rules = ScoreRules {
        weights: Weights {
            first_open: 1,
            repeated_open: 2,
            first_click: 3,
            repeated_click: 4,
            bounce: -5,
        },
        decay: Decay { percent: 6 },
        hot_from: Some(7),
    };
    let url = "https://crm.example.com/in?token=hush";
    let set = |_| {
        let hook = HotLeadHook {
            url: url.into(),
            secret: "whsec_YQ==".into(),
        };
        Ok::<_, StoreError>(ScoreSettings {
            rules,
            hook: Some(hook),
        })
    };
    let author = Author::system();
    fresh
        .store
        .change_score_settings(fresh.tenant, set, &author, now())
        .await
        .unwrap();
    let known = fresh.store.score_settings(fresh.tenant).await.unwrap();
    assert_eq!(known.rules, rules);
    let hook = known.hook.unwrap();
    assert_eq!(
        (hook.url.expose_secret(), hook.secret.expose_secret()),
        (url, "whsec_YQ==")
    );
    let filter = AuditFilter {
        action: Some(AuditAction::ScoringChanged),
        ..AuditFilter::default()
    };
    let log = fresh
        .store
        .audit_log(Some(fresh.tenant), &filter, None, 10)
        .await
        .unwrap();
    let after = log.items[0].after.as_ref().unwrap();
    assert_eq!(
        (&after["decay_percent"], &after["webhook_host"]),
        (&6.into(), &"crm.example.com".into())
    );
    assert!(!after.to_string().contains("hush") && !after.to_string().contains("YQ"));
    let stored = fresh
        .count("SELECT COUNT(*) FROM score_rules WHERE hook_url IS NOT NULL")
        .await;
    assert_eq!(stored, 1);

    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(
        fresh.store.score_settings(other).await.unwrap().rules,
        ScoreRules::default()
    );
    let nobody = TenantId(Uuid::from_u128(404));
    let refused = fresh.store.change_score_settings(nobody, set, &author, now()).await;
    assert!(matches!(refused, Err(StoreError::Missing)));
}

async fn a_new_address_and_a_new_secret_are_told_apart_in_the_audit_log_without_being_shown(fresh: Fresh) {
    let (one, other) = (
        "https://crm.example.com/in?token=hush",
        "https://crm.example.com/in?token=hushed",
    );
    let changes = [
        (one, "whsec_b25l", [true, true]),
        (one, "whsec_b25l", [false, false]),
        (one, "whsec_b3RoZXI=", [false, true]),
        (other, "whsec_b3RoZXI=", [true, false]),
    ];
    for (at, (url, secret, expected)) in (1..).zip(changes) {
        let set = |settings: ScoreSettings| {
            let hook = HotLeadHook {
                url: url.into(),
                secret: secret.into(),
            };
            Ok::<_, StoreError>(ScoreSettings {
                hook: Some(hook),
                ..settings
            })
        };
        let (author, filter) = (Author::system(), AuditFilter::default());
        let changed = fresh
            .store
            .change_score_settings(fresh.tenant, set, &author, second(at));
        changed.await.unwrap();
        let log = fresh.store.audit_log(Some(fresh.tenant), &filter, None, 1).await;
        let after = log.unwrap().items.remove(0).after.unwrap();
        let told = [&after["webhook_changed"], &after["webhook_secret_changed"]];
        assert_eq!(told.map(|changed| changed.as_bool().unwrap()), expected, "{after}");
        for part in ["hush", "b25l", "b3Ro"] {
            assert!(!after.to_string().contains(part), "{after}");
        }
    }
}

async fn reasons_add_up_to_the_score_and_the_trend_is_that_since_a_moment(fresh: Fresh) {
    let contact = fresh.click("ada", "1", now()).await.contact;
    fresh.click("ada", "2", second(1)).await;
    // Of nobody yet, then of Ada: what it was worth comes along in lines of its own.
    fresh.apply_at(&event("3", EmailEvent::Opened, "open 3"), week(0)).await;
    fresh
        .apply_at(&of_person(event("3", EmailEvent::Delivered, "3"), "ada"), week(0))
        .await;
    fresh
        .apply_at(&of_person(event("3", EmailEvent::Bounced, "b"), "ada"), week(2))
        .await;
    fresh.click("ada", "4", week(2)).await;

    // 8 + 8 + 3 = 19, of which two weeks leave 17 and 15; then a bounce and a click.
    let since = week(1);
    let told = async |since| {
        let mut told = fresh
            .store
            .lead_histories(fresh.tenant, &[contact], since)
            .await
            .unwrap();
        told.remove(&contact).unwrap()
    };
    let history = told(since).await;
    let reasons: Vec<_> = history
        .reasons
        .iter()
        .map(|sum| (sum.reason, sum.moved, sum.lines))
        .collect();
    assert_eq!(
        reasons,
        [
            (Reason::FirstClick, 24, 3),
            (Reason::Bounce, -10, 1),
            (Reason::Decay, -4, 1),
            (Reason::FirstOpen, 3, 1)
        ]
    );
    assert_eq!(history.trend, -4 - 10 + 8);
    assert_eq!(told(week(-1)).await.trend, 13);
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 13)]);
    fresh.assert_ledgers_add_up().await;
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert!(
        fresh
            .store
            .lead_histories(other, &[contact], since)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        fresh
            .store
            .lead_histories(fresh.tenant, &[], since)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn a_ledger_of_before_is_summed_by_what_the_rule_gave(fresh: Fresh) {
    let contact = fresh.click("ada", "1", now()).await.contact;
    fresh.execute("UPDATE lead_ledger SET moved = NULL").await.unwrap();
    fresh
        .execute(
            "INSERT INTO lead_ledger (tenant_id, contact_id, reason, points, score_after, recorded_at)
             SELECT tenant_id, contact_id, 'merge', 4, 8, 0 FROM lead_ledger",
        )
        .await
        .unwrap();
    let told = fresh
        .store
        .lead_histories(fresh.tenant, &[contact], week(-1))
        .await
        .unwrap();
    assert_eq!((told[&contact].trend, told[&contact].reasons.len()), (8, 1));
}

both!(
    a_change_of_the_rules_counts_from_then_on,
    a_bounce_takes_no_more_than_there_is_and_an_open_after_it_counts_whole,
    rules_are_what_they_were_last_set_to_and_whoever_changes_them_is_written_down,
    a_new_address_and_a_new_secret_are_told_apart_in_the_audit_log_without_being_shown,
    reasons_add_up_to_the_score_and_the_trend_is_that_since_a_moment,
    a_ledger_of_before_is_summed_by_what_the_rule_gave,
);
