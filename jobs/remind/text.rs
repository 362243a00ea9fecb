//! What reminders say, in English and French.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::interaction::InteractionReason;
use domain::{Channel, Language, is_control};
use store::Reminded;

/// So many characters of a title are told.
const TITLE_CHARS: usize = 80;

/// What a message says. A text message has no subject.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) subject: String,
    pub(super) text: String,
}

/// How many interactions of a digest are named: as many as are read on a telephone, or in a mail.
pub(super) const fn named_at_most(channel: Channel) -> u32 {
    if channel.is_by_number() { 3 } else { 20 }
}

/// What is said of one interaction.
pub(super) fn one(reminded: &Reminded, language: Language, zone: Tz) -> Words {
    let (title, due) = (title(reminded, language), time(reminded.due_at, language, zone));
    match language {
        Language::English => Words {
            subject: format!("Reminder: {title}"),
            text: format!("Reminder: “{title}” was due on {due}."),
        },
        Language::French => Words {
            subject: format!("Rappel : {title}"),
            text: format!("Rappel : « {title} » était à faire le {due}."),
        },
    }
}

/// What is said of `count` interactions, of which `named` are the longest overdue.
pub(super) fn digest(named: &[Reminded], count: u64, language: Language, zone: Tz) -> Words {
    let subject = match language {
        Language::English => format!("{count} things to do are overdue"),
        Language::French => format!("{count} actions en retard"),
    };
    let mut text = match language {
        Language::English => format!("{subject}:"),
        Language::French => format!("{subject} :"),
    };
    for reminded in named {
        let (title, due) = (title(reminded, language), time(reminded.due_at, language, zone));
        text += &format!("\n- {title} ({due})");
    }
    let more = count.saturating_sub(named.len() as u64);
    if more > 0 {
        text += &match language {
            Language::English => format!("\nand {more} more."),
            Language::French => format!("\net {more} de plus."),
        };
    }
    Words { subject, text }
}

/// The title on one line; of what has none, why it exists.
fn title(reminded: &Reminded, language: Language) -> String {
    let plain = |char: char| if is_control(char) { ' ' } else { char };
    let title = reminded.title.as_ref().map_or("", |title| title.expose()).trim();
    if !title.is_empty() {
        let mut short: String = title.chars().map(plain).take(TITLE_CHARS).collect();
        if title.chars().count() > TITLE_CHARS {
            short.push('…');
        }
        return short;
    }
    let words = match (reminded.reason, language) {
        (InteractionReason::Reply, Language::English) => "a reply",
        (InteractionReason::Reply, Language::French) => "une réponse",
        (InteractionReason::EmailOpened, Language::English) => "an opened message",
        (InteractionReason::EmailOpened, Language::French) => "un message ouvert",
        (InteractionReason::HotLead, Language::English) => "a hot lead",
        (InteractionReason::HotLead, Language::French) => "un contact très intéressé",
        (InteractionReason::Manual, Language::English) => "without a title",
        (InteractionReason::Manual, Language::French) => "sans titre",
    };
    words.to_owned()
}

/// A time as the tenant's clocks show it.
fn time(at: DateTime<Utc>, language: Language, zone: Tz) -> String {
    let form = match language {
        Language::English => "%-d %B %Y at %H:%M",
        Language::French => "%d/%m/%Y à %H:%M",
    };
    at.with_timezone(&zone).format(form).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::{InteractionId, PersonalText};
    use uuid::Uuid;

    use super::*;

    fn reminded(title: Option<&str>) -> Reminded {
        Reminded {
            interaction: InteractionId(Uuid::nil()),
            title: title.map(PersonalText::new),
            reason: InteractionReason::Reply,
            due_at: "2026-07-14T07:30:00Z".parse().unwrap(),
        }
    }

    fn check(title: Option<&str>, language: Language, subject: &str, text: &str) {
        let words = one(&reminded(title), language, Tz::Europe__Paris);
        assert_eq!((words.subject.as_str(), words.text.as_str()), (subject, text));
    }

    #[test]
    fn one_is_named_with_the_time_on_the_wall_of_the_tenant() {
        check(
            Some("Call Ana"),
            Language::English,
            "Reminder: Call Ana",
            "Reminder: “Call Ana” was due on 14 July 2026 at 09:30.",
        );
        check(
            Some("Rappeler Zoë"),
            Language::French,
            "Rappel : Rappeler Zoë",
            "Rappel : « Rappeler Zoë » était à faire le 14/07/2026 à 09:30.",
        );
        check(
            None,
            Language::French,
            "Rappel : une réponse",
            "Rappel : « une réponse » était à faire le 14/07/2026 à 09:30.",
        );
    }

    #[test]
    fn a_title_is_one_short_line() {
        let words = one(&reminded(Some("a\r\nBcc: b")), Language::English, Tz::UTC);
        assert_eq!(words.subject, "Reminder: a  Bcc: b");
        let words = one(&reminded(Some("a\u{2028}b")), Language::English, Tz::UTC);
        assert_eq!(words.subject, "Reminder: a b");
        let words = one(&reminded(Some(&"é".repeat(200))), Language::English, Tz::UTC);
        assert_eq!(words.subject.chars().count(), "Reminder: ".len() + TITLE_CHARS + 1);
    }

    #[test]
    fn a_digest_names_some_and_counts_the_rest() {
        let named = [reminded(Some("a")), reminded(None)];
        let words = digest(&named, 12, Language::English, Tz::UTC);
        assert_eq!(words.subject, "12 things to do are overdue");
        assert_eq!(
            words.text,
            "12 things to do are overdue:\n- a (14 July 2026 at 07:30)\n- a reply (14 July 2026 at 07:30)\nand 10 more."
        );
        let words = digest(&named, 2, Language::French, Tz::UTC);
        assert!(words.text.ends_with("- une réponse (14/07/2026 à 07:30)"), "{words:?}");
    }
}
