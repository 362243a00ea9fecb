//! Alerts in words: what goes wrong, and what to do next.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::alert::WINDOW;
use domain::{AlertChange, AlertRule};
use store::AlertNotice;

/// What it is about, in a few words.
pub(crate) fn subject(rule: AlertRule, subject: &str) -> String {
    match rule {
        AlertRule::NoWorker => format!("no worker for the queue {subject}"),
        AlertRule::OldestReady => format!("jobs of the queue {subject} wait for long"),
        AlertRule::DeadLettersGrowing => format!("dead letters of the queue {subject} grow"),
        AlertRule::SignatureFailures => format!("bad signatures at the endpoint {subject}"),
        AlertRule::CircuitOpen => format!("the account {subject} is left alone"),
    }
}

/// What happened, with its figure.
pub(crate) fn happened(rule: AlertRule, subject: &str, value: u64) -> String {
    let minutes = WINDOW.num_minutes();
    match rule {
        AlertRule::NoWorker => {
            format!("The queue {subject} has jobs to run ({value}), and no worker that is alive serves it.")
        }
        AlertRule::OldestReady => {
            let waited = span(TimeDelta::seconds(i64::try_from(value).unwrap_or(i64::MAX / 1000)));
            format!("A job of the queue {subject} may start and has not been started for {waited}.")
        }
        AlertRule::DeadLettersGrowing => format!("{value} jobs of the queue {subject} died within {minutes} minutes."),
        AlertRule::SignatureFailures => {
            format!("{value} requests to the endpoint {subject} had no good signature within {minutes} minutes.")
        }
        AlertRule::CircuitOpen => {
            format!(
                "The account {subject} at a provider failed {value} times in a row; its messages wait or go by the next account."
            )
        }
    }
}

/// That it is over.
pub(crate) fn over(rule: AlertRule, about: &str) -> String {
    format!("It is over: {}.", subject(rule, about))
}

/// What to do next.
pub(crate) const fn to_do(rule: AlertRule) -> &'static str {
    match rule {
        AlertRule::NoWorker => "Start `relais worker`; `relais queues` shows which are alive and what they serve.",
        AlertRule::OldestReady => {
            "`relais queues` shows what waits and who works, `relais jobs why ID` what holds a job back; more `relais worker` processes work it off faster."
        }
        AlertRule::DeadLettersGrowing => "`relais dead groups` shows what they died of; mend that, then retry them.",
        AlertRule::SignatureFailures => {
            "Compare the secret with the sender's (`relais endpoint list`); if nobody changed one, somebody tries."
        }
        AlertRule::CircuitOpen => {
            "`relais circuits` shows which account it is; look at the provider's status page and whether the credentials are good."
        }
    }
}

/// The line that stands for a notice in a list of mails.
pub(crate) fn line(notice: &AlertNotice) -> String {
    let about = subject(notice.rule, &notice.subject);
    match notice.change {
        AlertChange::Fired => format!("[relais] alert: {about}"),
        AlertChange::Recovered => format!("[relais] recovered: {about}"),
    }
}

/// A notice as a mail says it.
pub(crate) fn mail(notice: &AlertNotice) -> String {
    let (since, at) = (time(notice.since), time(notice.made_at));
    let told = match notice.change {
        AlertChange::Fired => format!(
            "{}\n\nSince: {since}\nWhat to do: {}\n",
            happened(notice.rule, &notice.subject, notice.value),
            to_do(notice.rule)
        ),
        AlertChange::Recovered => format!(
            "{}\n\nSince: {since}\nUntil: {at}\nIt lasted {}.\n",
            over(notice.rule, &notice.subject),
            span(notice.made_at - notice.since)
        ),
    };
    format!(
        "{told}\n`relais alerts` shows everything that fires now. Alert {}.\n",
        notice.alert
    )
}

pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// How long something took, in its two largest units.
pub(crate) fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let check = |seconds, expected: &str| assert_eq!(span(TimeDelta::seconds(seconds)), expected);
        check(-1, "0 s");
        check(59, "59 s");
        check(330, "5 min 30 s");
        check(7_260, "2 h 1 min");
        check(90_061, "1 d 1 h");
    }

    #[test]
    fn every_rule_says_what_happened_and_which_command_is_next() {
        for rule in AlertRule::ALL {
            let said = happened(*rule, "default", 42);
            assert!(said.contains("default") && (said.contains("42")), "{said}");
            assert!(to_do(*rule).contains("`relais "), "{rule}");
        }
    }
}
