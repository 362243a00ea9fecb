//! What came out, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::judge::{Limits, Verdict};

/// One line for programs.
pub(crate) fn summary(about: &Value, verdict: &Verdict) -> Value {
    let mut all = about.clone();
    all["result"] = json!(verdict);
    all
}

/// Some lines for people.
pub(crate) fn lines(about: &Value, verdict: &Verdict) -> String {
    let mut text = String::new();
    let Verdict { events, sends, .. } = verdict;
    let row = |text: &mut String, name: &str, value: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {name:<30}{value}");
    };
    let _ = writeln!(text, "chaos {about}");
    let _ = writeln!(text, "events");
    row(
        &mut text,
        "asked, accepted, applied",
        format!("{}, {}, {}", events.asked, events.promised, events.applied),
    );
    row(&mut text, "lost", events.lost.to_string());
    row(&mut text, "applied twice", events.applied_twice.to_string());
    row(
        &mut text,
        "dead, unfinished",
        format!("{}, {}", events.dead, events.unfinished),
    );
    let _ = writeln!(text, "messages");
    row(
        &mut text,
        "asked, accepted, sent",
        format!("{}, {}, {}", sends.asked, sends.promised, sends.sent),
    );
    row(
        &mut text,
        "sent, by what a provider can",
        format!("{:?}", sends.by_class),
    );
    row(&mut text, "lost", sends.lost.to_string());
    row(&mut text, "sent twice", sends.sent_twice.to_string());
    row(&mut text, "sent again by rule", sends.sent_again_by_rule.to_string());
    row(&mut text, "sent and denied", sends.denied.to_string());
    row(
        &mut text,
        "unknown, and of them sent",
        format!("{}, {}", sends.unknown, sends.unknown_sent),
    );
    row(
        &mut text,
        "failed, dead, unfinished",
        format!("{}, {}, {}", sends.failed, sends.dead, sends.unfinished),
    );
    let texts = &verdict.texts;
    if texts.asked > 0 {
        let _ = writeln!(text, "texts, in {} conversations", texts.conversations);
        let all = [texts.asked, texts.promised, texts.recorded].map(|count| count.to_string());
        row(&mut text, "asked, accepted, recorded", all.join(", "));
        row(&mut text, "lost", texts.lost.to_string());
        row(&mut text, "recorded twice", texts.recorded_twice.to_string());
        row(&mut text, "out of order", texts.out_of_order.to_string());
        let rest = format!("{}, {}", texts.dead, texts.unfinished);
        row(&mut text, "dead, unfinished", rest);
    }
    if let Some(limits) = &verdict.limits {
        of_limits(&mut text, limits);
    }
    let _ = writeln!(text, "promises");
    row(&mut text, "false 2xx", verdict.false_2xx.to_string());
    row(&mut text, "promised twice", verdict.promised_twice.to_string());
    row(
        &mut text,
        "turned down, never promised",
        format!("{}, {}", verdict.turned_down, verdict.never_promised),
    );
    row(
        &mut text,
        "stale finishes refused",
        verdict.stale_finishes_refused.to_string(),
    );
    row(&mut text, "crashes noticed", verdict.crashes.to_string());
    row(&mut text, "answers", format!("{:?}", verdict.answers));
    row(&mut text, "all jobs ended", verdict.drained.to_string());
    for (said, count) in &verdict.dead_letters {
        row(&mut text, "dead letters", format!("{count} × {said}"));
    }
    let _ = writeln!(
        text,
        "{:<32}{:>5}{:>18}{:>18}{:>18}",
        "after faults (ms, median/max)", "n", "accepting again", "working again", "caught up"
    );
    for (kind, recovery) in &verdict.recovery {
        let [accepting, working, caught_up] = [recovery.accepting_ms, recovery.working_ms, recovery.caught_up_ms]
            .map(|figures| format!("{}/{}", figures.median, figures.max));
        let _ = writeln!(
            text,
            "  {kind:<30}{:>5}{accepting:>18}{working:>18}{caught_up:>18}",
            recovery.faults
        );
    }
    for what in verdict.findings.iter().chain(&verdict.examples) {
        let _ = writeln!(text, "! {what}");
    }
    let _ = writeln!(text, "{}", if verdict.good { "good" } else { "NOT GOOD" });
    text
}

fn of_limits(text: &mut String, limits: &Limits) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "limits");
    let (most, may) = (limits.most_at_once, limits.at_once);
    let _ = writeln!(text, "  {:<30}{most} of {may}", "calls at once, of allowed");
    let full_again = limits
        .full_again_ms
        .iter()
        .map(|took| took.map_or_else(|| "too late".to_owned(), |took| took.to_string()));
    let full_again = full_again.collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "  {:<30}{full_again}", "full again after kills (ms)");
    for rate in &limits.rates {
        let held = rate
            .held_after_ms
            .map_or_else(|| "never".to_owned(), |took| format!("{took} ms"));
        let _ = writeln!(
            text,
            "  {:<30}in a second {} (may {}), in ten {} (may {}), used {:.1} %, held after {held}",
            format!("{} a second", rate.per_second),
            rate.most_in_a_second,
            rate.may_in_a_second,
            rate.most_in_ten,
            rate.may_in_ten,
            rate.share * 100.0,
        );
    }
}
