//! What came out, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::judge::Verdict;

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
