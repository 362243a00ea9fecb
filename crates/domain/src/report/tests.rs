#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use proptest::sample::select;

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap()
}

const FIRST_FORM: &str = r#"{"provider":"twilio","channel":"sms","kind":"delivered","word":"delivered","identity":"ab","occurred_at":"2026-01-02T03:04:05Z","cause":"other"}"#;

#[test]
fn the_smallest_form_parses_and_comes_out_the_same() {
    let report: ReportRecord = serde_json::from_str(FIRST_FORM).unwrap();
    assert_eq!(report.kind, EventKind::Delivered);
    assert_eq!(serde_json::to_string(&report).unwrap(), FIRST_FORM);
    let causeless = FIRST_FORM.replace(r#","cause":"other""#, "");
    assert_eq!(serde_json::from_str::<ReportRecord>(&causeless).unwrap(), report);
}

#[test]
fn nothing_personal_shows_in_debug() {
    let json = FIRST_FORM.replacen(
        '{',
        r#"{"external_id":"x-marie","recipient":"+33612345678","url":"https://marie","raw":"marie","person_id":"marie","#,
        1,
    );
    let shown = format!("{:?}", serde_json::from_str::<ReportRecord>(&json).unwrap());
    for private in ["marie", "612345"] {
        assert!(!shown.contains(private), "{shown}");
    }
}

#[test]
fn stored_words_are_what_they_always_were() {
    let words: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(
        words.join(" "),
        "accepted sending sent delayed delivered read opened clicked canceled expired failed undelivered dropped bounced \
         complained unsubscribed resubscribed rejected not_sent unclear suppressed"
    );
    for event in EmailEvent::ALL {
        assert_eq!(EventKind::from(*event).as_str(), event.as_str());
        assert_eq!(EventKind::from(*event).counted(), Some(*event));
    }
    for event in TextEvent::ALL {
        assert_eq!(EventKind::from(*event).as_str(), event.as_str());
        assert_eq!(EventKind::from(*event).status(), Some(event.status()));
    }
}

#[test]
fn a_figure_keeps_its_bit() {
    let words: Vec<_> = Figure::ALL.iter().map(|figure| figure.as_str()).collect();
    assert_eq!(
        words.join(" "),
        "accepted sent delivered read opened clicked failed undelivered bounced complained unsubscribed canceled expired"
    );
    let bits: Vec<_> = Figure::ALL
        .iter()
        .map(|figure| Figures::NONE.with(*figure).bits())
        .collect();
    assert_eq!(bits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]);
}

#[test]
fn an_event_counts_for_those_that_must_have_come_before() {
    let check = |kind, by_machine, expected: &str| {
        let figures = Figures::of(kind, by_machine);
        let words: Vec<_> = Figure::ALL
            .iter()
            .filter(|figure| figures.has(**figure))
            .map(|figure| figure.as_str())
            .collect();
        assert_eq!(words.join(" "), expected, "{kind} {by_machine}");
    };
    check(EventKind::Accepted, false, "accepted");
    check(EventKind::Sent, false, "accepted sent");
    check(EventKind::Delivered, false, "accepted sent delivered");
    check(EventKind::Opened, false, "accepted sent delivered opened");
    check(EventKind::Opened, true, "accepted sent delivered");
    check(EventKind::Clicked, true, "accepted sent delivered");
    check(EventKind::Clicked, false, "accepted sent delivered clicked");
    check(EventKind::Bounced, false, "accepted sent bounced");
    check(EventKind::Undelivered, false, "accepted sent undelivered");
    check(EventKind::Complained, false, "accepted sent delivered complained");
    check(EventKind::Failed, false, "failed");
    check(EventKind::Suppressed, false, "failed");
    check(EventKind::Unsubscribed, false, "unsubscribed");
    check(EventKind::Rejected, false, "");
    check(EventKind::Unclear, false, "");
}

#[test]
fn what_a_machine_did_shows_that_the_message_arrived_and_is_not_counted() {
    let fetched = Progress::default().after_event(EventKind::Opened, true, at(5));
    assert_eq!(
        (fetched.status, fetched.counters.opened, fetched.opens),
        (Status::Delivered, 0, None)
    );
    assert!(fetched.events.is_some());
}

#[test]
fn mail_that_was_not_sent_suppresses_only_if_it_is_because_of_the_recipient() {
    let check = |kind: EventKind, channel, cause, expected| {
        assert_eq!(kind.suppression(channel, cause), expected, "{kind} {channel} {cause}");
    };
    check(EventKind::Dropped, Channel::Email, FailureCause::Other, None);
    check(
        EventKind::Dropped,
        Channel::Email,
        FailureCause::OptedOut,
        Some(Suppression::Unsubscribed),
    );
    check(
        EventKind::Failed,
        Channel::Email,
        FailureCause::NoSuchRecipient,
        Some(Suppression::HardBounce),
    );
    check(
        EventKind::Bounced,
        Channel::Email,
        FailureCause::Other,
        Some(Suppression::HardBounce),
    );
    check(EventKind::Bounced, Channel::Email, FailureCause::Passing, None);
    check(EventKind::Undelivered, Channel::Sms, FailureCause::Other, None);
    check(
        EventKind::Undelivered,
        Channel::Whatsapp,
        FailureCause::OptedOut,
        Some(Suppression::Stop),
    );
    check(EventKind::Delivered, Channel::Sms, FailureCause::NoSuchRecipient, None);
}

#[test]
fn that_it_may_pass_is_taken_from_the_provider_where_no_code_says_more() {
    let check = |cause, permanence, expected| {
        let report: ReportRecord = serde_json::from_str(FIRST_FORM).unwrap();
        let report = ReportRecord {
            cause,
            permanence,
            ..report
        };
        assert_eq!(report.cause(), expected);
    };
    check(FailureCause::Other, Some(Permanence::Transient), FailureCause::Passing);
    check(FailureCause::Other, Some(Permanence::Permanent), FailureCause::Other);
    check(
        FailureCause::NoSuchRecipient,
        Some(Permanence::Transient),
        FailureCause::NoSuchRecipient,
    );
    check(FailureCause::Other, None, FailureCause::Other);
}

proptest! {
    #[test]
    fn events_told_to_two_halves_of_a_message_and_joined_are_as_if_told_to_one(
        events in prop::collection::vec((select(EventKind::ALL), any::<bool>(), 0_i64..1000, any::<bool>()), 0..20)
    ) {
        let play = |half: Option<bool>| {
            let told = events.iter().filter(|event| half.is_none_or(|half| event.3 == half));
            told.fold(Progress::default(), |progress, (kind, by_machine, millis, _)| {
                progress.after_event(*kind, *by_machine, at(*millis))
            })
        };
        prop_assert_eq!(play(Some(true)).joined(play(Some(false))), play(None));
        prop_assert_eq!(play(Some(false)).joined(play(Some(true))), play(None));
    }

    #[test]
    fn figures_of_events_do_not_depend_on_their_order(
        (events, shuffled) in prop::collection::vec((select(EventKind::ALL), any::<bool>()), 0..12)
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        let play = |events: Vec<(EventKind, bool)>| events.into_iter().fold(Figures::NONE, |figures, (kind, by_machine)| {
            figures.and(Figures::of(kind, by_machine))
        });
        prop_assert_eq!(play(events), play(shuffled));
    }
}
