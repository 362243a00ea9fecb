//! Evidence that is wrong in every way that matters, and what is made of it.

use domain::EmailEvent;

use super::*;
use crate::book::{Class, Event, Inbound, Millis, Send, Way};
use crate::facts::{Counters, Outgoing};
use crate::fault::{Fault, Part};

const TENANT: Uuid = Uuid::from_u128(1);
const MESSAGE: Uuid = Uuid::from_u128(2);
const JOB: Uuid = Uuid::from_u128(3);
const MARK: &str = "wish-00000001";

const TEXTS: [Inbound; 2] = [text(0), text(1)];

const fn text(number: u32) -> Inbound {
    Inbound {
        conversation: 7,
        number,
    }
}

fn opened() -> Event {
    Event {
        message: "m-1".to_owned(),
        person: "ana".to_owned(),
        kind: EmailEvent::Opened,
        occurred_at: 1_000,
        way: Way::Named,
    }
}

fn promised(what: What) -> Wish {
    Wish {
        what,
        promised_at: Some(2_000),
        job: Some(JOB),
        new: 1,
        changed: false,
        refused: None,
    }
}

/// One event and one message by this class, both as they should be.
fn as_it_should_be(class: Class) -> Evidence {
    let send = Send {
        mark: MARK.to_owned(),
        class,
        id: Some(MESSAGE),
    };
    let counters = Counters {
        message: "m-1".to_owned(),
        opened: 1,
        interactions: 1,
        ..Counters::default()
    };
    Evidence {
        pages: Pages {
            wishes: vec![
                promised(What::Event(opened())),
                promised(What::Send(send)),
                promised(What::Inbound(TEXTS[0])),
                promised(What::Inbound(TEXTS[1])),
            ],
            ..Pages::default()
        },
        facts: Facts {
            events: [(opened().key(), vec![2_500])].into(),
            messages: [("m-1".to_owned(), counters)].into(),
            scores: [("ana".to_owned(), (3, 3))].into(),
            texts: [(TEXTS[0].sid(), vec![2_100]), (TEXTS[1].sid(), vec![2_200])].into(),
            interactions: 1,
            sends: [(MESSAGE, Outgoing::new("accepted", Some("sent")))].into(),
        },
        kept: Kept::default(),
        effects: [(MARK.to_owned(), 1)].into(),
        happened: Vec::new(),
        tenant: TENANT,
        findings: Vec::new(),
        drained: true,
        limited: None,
        no_dead: false,
    }
}

/// Makes one thing wrong, and looks whether it is found where it should be.
fn check(what: &str, spoil: impl Fn(&mut Evidence), found: impl Fn(&Verdict) -> u64) {
    let mut evidence = as_it_should_be(Class::LookUp);
    assert_eq!(found(&judge(&evidence)), 0, "{what}, before it was spoiled");
    spoil(&mut evidence);
    let verdict = judge(&evidence);
    assert!(found(&verdict) > 0 && !verdict.good, "{what}: {verdict:?}");
}

#[test]
fn what_is_as_it_should_be_is_good() {
    for class in [
        Class::LookUp,
        Class::Idempotent,
        Class::Neither,
        Class::Fallback,
        Class::Code,
    ] {
        let verdict = judge(&as_it_should_be(class));
        assert!(verdict.good, "{verdict:?}");
        assert_eq!((verdict.events.applied, verdict.sends.sent), (1, 1));
    }
}

#[test]
fn an_event_that_is_lost_or_counted_twice_is_found_wherever_that_shows() {
    let counters = |evidence: &mut Evidence, by: i64| {
        evidence
            .facts
            .messages
            .values_mut()
            .for_each(|counters| counters.opened += by);
    };
    check("no row", |e| e.facts.events.clear(), |v| v.events.lost);
    check(
        "two rows",
        |e| e.facts.events.values_mut().for_each(|at| at.push(3_000)),
        |v| v.events.applied_twice,
    );
    check("counter over", |e| counters(e, 1), |v| v.events.applied_twice);
    check("counter under", |e| counters(e, -1), |v| v.events.lost);
    check(
        "score over",
        |e| e.facts.scores = [("ana".to_owned(), (6, 3))].into(),
        |v| v.events.applied_twice,
    );
    check(
        "points over",
        |e| e.facts.scores = [("ana".to_owned(), (3, 6))].into(),
        |v| v.events.applied_twice,
    );
    check("score under", |e| e.facts.scores.clear(), |v| v.events.lost);
    check(
        "two interactions",
        |e| e.facts.interactions = 2,
        |v| v.events.applied_twice,
    );
}

#[test]
fn a_message_that_is_lost_sent_twice_or_denied_is_found() {
    let outgoing =
        |status, state| move |e: &mut Evidence| e.facts.sends = [(MESSAGE, Outgoing::new(status, state))].into();
    check("nothing left", |e| e.effects.clear(), |v| v.sends.lost);
    check(
        "left twice",
        |e| e.effects = [(MARK.to_owned(), 2)].into(),
        |v| v.sends.sent_twice,
    );
    check("left and denied", outgoing("failed", Some("not_sent")), |v| {
        v.sends.denied
    });
}

#[test]
fn a_text_that_is_lost_recorded_twice_or_out_of_order_is_found() {
    let first = |e: &mut Evidence, at: Vec<Millis>| {
        e.facts.texts.insert(TEXTS[0].sid(), at);
    };
    check("no row", |e| first(e, Vec::new()), |v| v.texts.lost);
    check("two rows", |e| first(e, vec![2_100, 2_100]), |v| v.texts.recorded_twice);
    check("after the next", |e| first(e, vec![2_201]), |v| v.texts.out_of_order);
}

#[test]
fn a_promise_that_was_none_is_found() {
    let wish = |e: &mut Evidence, change: fn(&mut Wish)| change(&mut e.pages.wishes[0]);
    check("new twice", |e| wish(e, |wish| wish.new = 2), |v| v.promised_twice);
    check(
        "another job",
        |e| wish(e, |wish| wish.changed = true),
        |v| v.promised_twice,
    );
    check(
        "turned down",
        |e| wish(e, |wish| wish.refused = Some(404)),
        |v| v.turned_down,
    );
    check(
        "never promised",
        |e| wish(e, |wish| wish.promised_at = None),
        |v| v.never_promised,
    );
    let no_queue = Happened {
        fault: Fault::Killed(Part::Redis),
        from: 100,
        to: 200,
        no_queue: true,
    };
    let yes = Yes {
        new: true,
        asked_at: 110,
        heard_at: 190,
    };
    let lie = |e: &mut Evidence| {
        e.happened.push(no_queue.clone());
        e.pages.yes.push(yes);
    };
    check("while nothing could be kept", lie, |v| v.false_2xx);
}

#[test]
fn what_never_ends_and_what_ends_by_itself_is_not_good() {
    check("not drained", |e| e.drained = false, |v| u64::from(!v.drained));
    check(
        "a process ended",
        |e| e.findings.push("web ended".to_owned()),
        |v| v.findings.len() as u64,
    );
    let mut evidence = as_it_should_be(Class::Code);
    evidence.kept.dead_by_reason.insert("send_sms poison".to_owned(), 1);
    assert!(judge(&evidence).good, "a dead letter is not lost");
    evidence.no_dead = true;
    assert!(!judge(&evidence).good, "where none must be, it is a fault");
}

#[test]
fn a_dead_letter_is_not_lost_and_one_that_waits_for_a_person_is_unknown() {
    let mut evidence = as_it_should_be(Class::Neither);
    evidence.facts.events.clear();
    evidence.facts.messages.clear();
    evidence.facts.scores.clear();
    evidence.facts.interactions = 0;
    evidence.facts.sends = [(MESSAGE, Outgoing::new("unknown", Some("unclear")))].into();
    evidence.kept.dead.insert(JOB);
    let verdict = judge(&evidence);
    assert_eq!((verdict.events.dead, verdict.events.lost), (1, 0));
    assert_eq!(
        (verdict.sends.unknown, verdict.sends.unknown_sent, verdict.sends.denied),
        (1, 1, 0)
    );
    assert!(verdict.good, "{verdict:?}");
}

#[test]
fn a_code_may_be_sent_again() {
    let mut evidence = as_it_should_be(Class::Code);
    evidence.effects = [(MARK.to_owned(), 2)].into();
    let verdict = judge(&evidence);
    assert_eq!((verdict.sends.sent_twice, verdict.sends.sent_again_by_rule), (0, 1));
    assert!(verdict.good, "{verdict:?}");
}

#[test]
fn recovering_is_counted_from_the_end_of_the_fault() {
    let mut evidence = as_it_should_be(Class::Code);
    evidence.happened.push(Happened {
        fault: Fault::WorkerKilled,
        from: 1_500,
        to: 2_100,
        no_queue: false,
    });
    evidence.pages.yes.push(Yes {
        new: true,
        asked_at: 2_050,
        heard_at: 2_130,
    });
    let recovery = &judge(&evidence).recovery["worker killed"];
    let figures = [recovery.accepting_ms, recovery.working_ms, recovery.caught_up_ms];
    assert_eq!(figures.map(|figures| figures.max), [30, 400, 400]);
}
