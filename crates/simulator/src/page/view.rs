//! Makes HTML of it.

use chrono::SecondsFormat;

use super::html::Html;
use super::lines::{Choice, Line, boxes, lines};
use super::words::Language;
use crate::ledger::Ledger;
use crate::script::Status;

/// The most telephones and mailboxes in the list.
const BOXES_MAX: usize = 200;

/// The whole page.
pub(super) fn page(ledger: &Ledger, choice: &Choice) -> String {
    let words = choice.language;
    let mut html = Html::default();
    html.tag("<!doctype html><html lang=\"")
        .tag(words.code())
        .tag("\"><head><meta charset=\"utf-8\">");
    html.tag("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    // What is being written would be lost.
    if choice.answering.is_none() && !choice.is_still {
        html.tag("<meta http-equiv=\"refresh\" content=\"3\">");
    }
    html.tag("<title>")
        .tag(words.title())
        .tag("</title><link rel=\"stylesheet\" href=\"/page.css\"></head><body>");
    header(&mut html, choice);
    html.tag("<main>");
    list_boxes(&mut html, ledger, choice);
    html.tag("<section aria-label=\"").tag(words.messages()).tag("\">");
    if choice.has_failed {
        html.tag("<p class=\"problem\" role=\"alert\">")
            .tag(words.not_sent())
            .tag("</p>");
    }
    let lines = lines(ledger, choice);
    if lines.is_empty() {
        html.tag("<p class=\"empty\">").tag(words.empty()).tag("</p>");
    }
    for line in &lines {
        message(&mut html, line, choice);
    }
    html.tag("</section></main></body></html>");
    html.finish()
}

fn header(html: &mut Html, choice: &Choice) {
    let words = choice.language;
    html.tag("<header><div><h1>")
        .tag(words.title())
        .tag("</h1><p>")
        .tag(words.subtitle())
        .tag("</p></div><div class=\"tools\">");
    reloading(html, choice);
    html.tag("<nav aria-label=\"").tag(words.languages()).tag("\">");
    for language in [Language::English, Language::French] {
        html.tag("<a lang=\"").tag(language.code()).tag("\" href=\"");
        link(html, choice, language, choice.whose.as_deref());
        let is_current = if language == words {
            "\" aria-current=\"true"
        } else {
            ""
        };
        html.tag(is_current).tag("\">").tag(language.name()).tag("</a>");
    }
    html.tag("</nav></div></header>");
}

/// Whether the page loads itself again, and a link to have it otherwise.
fn reloading(html: &mut Html, choice: &Choice) {
    let words = choice.language;
    if choice.answering.is_some() {
        html.tag("<small>").tag(words.writing()).tag("</small>");
        return;
    }
    let (state, change) = if choice.is_still {
        (words.still(), words.go_on())
    } else {
        (words.reloads(), words.hold())
    };
    let other = Choice {
        is_still: !choice.is_still,
        whose: choice.whose.clone(),
        ..*choice
    };
    html.tag("<small>").tag(state).tag(" <a href=\"");
    link(html, &other, words, choice.whose.as_deref());
    html.tag("\">").tag(change).tag("</a></small>");
}

/// A link to this page, in an attribute.
fn link(html: &mut Html, choice: &Choice, language: Language, whose: Option<&str>) {
    html.tag("/?").pair("lang", language.code());
    if choice.is_still {
        html.tag("&amp;").pair("still", "1");
    }
    if let Some(whose) = whose {
        html.tag("&amp;").pair("box", whose);
    }
}

fn list_boxes(html: &mut Html, ledger: &Ledger, choice: &Choice) {
    let boxes = boxes(ledger);
    let all: usize = boxes.values().sum();
    html.tag("<nav class=\"boxes\" aria-label=\"")
        .tag(choice.language.boxes())
        .tag("\"><ul>");
    one_box(html, choice, None, all);
    for (whose, count) in boxes.iter().take(BOXES_MAX) {
        one_box(html, choice, Some(whose), *count);
    }
    html.tag("</ul></nav>");
}

fn one_box(html: &mut Html, choice: &Choice, whose: Option<&str>, count: usize) {
    let is_current = choice.whose.as_deref() == whose;
    html.tag("<li><a href=\"");
    link(html, choice, choice.language, whose);
    html.tag(if is_current {
        "\" aria-current=\"true\"><span>"
    } else {
        "\"><span>"
    });
    html.text(whose.unwrap_or(choice.language.everybody()));
    html.tag("</span><b>").text(&count.to_string()).tag("</b></a></li>");
}

fn message(html: &mut Html, line: &Line<'_>, choice: &Choice) {
    let words = choice.language;
    html.tag(if line.is_answer {
        "<article class=\"answer\">"
    } else {
        "<article>"
    });
    html.tag("<div class=\"top\"><span class=\"badge\">")
        .tag(line.provider.as_str())
        .tag("</span><span class=\"badge\">");
    html.tag(words.channel(line.channel))
        .tag("</span><strong>")
        .text(line.whose)
        .tag("</strong><span>");
    html.tag(if line.is_answer { words.to() } else { words.from() })
        .tag(" ")
        .text(line.ours);
    html.tag("</span><time datetime=\"")
        .text(&line.at.to_rfc3339_opts(SecondsFormat::Secs, true))
        .tag("\">")
        .text(&line.at.format("%H:%M:%S UTC").to_string())
        .tag("</time></div>");
    if let Some(subject) = line.subject.filter(|subject| !subject.is_empty()) {
        html.tag("<h2>").text(subject).tag("</h2>");
    }
    html.tag("<p class=\"text\">").linked(line.text).tag("</p>");
    if line.is_answer {
        html.tag("</article>");
        return;
    }
    html.tag("<div class=\"bottom\"><ol aria-label=\"")
        .tag(words.course())
        .tag("\">");
    for status in &line.history {
        html.tag("<li class=\"")
            .tag(mood(*status))
            .tag("\">")
            .tag(words.status(*status))
            .tag("</li>");
    }
    html.tag("</ol>");
    if choice.answering == Some(line.number) {
        html.tag("</div>");
        form(html, line, choice);
    } else {
        html.tag("<a class=\"button\" href=\"");
        link(html, choice, words, choice.whose.as_deref());
        html.tag("&amp;").pair("answer", &line.number.to_string());
        html.tag("\">").tag(words.answer()).tag("</a></div>");
    }
    html.tag("</article>");
}

fn form(html: &mut Html, line: &Line<'_>, choice: &Choice) {
    let words = choice.language;
    html.tag("<form method=\"post\" action=\"/answer\">");
    html.tag("<input type=\"hidden\" name=\"number\" value=\"")
        .text(&line.number.to_string())
        .tag("\">");
    html.tag("<input type=\"hidden\" name=\"lang\" value=\"")
        .tag(words.code())
        .tag("\">");
    if choice.is_still {
        html.tag("<input type=\"hidden\" name=\"still\" value=\"1\">");
    }
    html.tag("<input type=\"hidden\" name=\"box\" value=\"")
        .text(choice.whose.as_deref().unwrap_or_default())
        .tag("\">");
    html.tag("<label>").tag(words.your_answer()).tag(" ").text(line.whose);
    html.tag("<textarea name=\"text\" rows=\"3\" maxlength=\"1600\" required autofocus></textarea></label>");
    html.tag("<div><button>")
        .tag(words.send())
        .tag("</button><a class=\"button plain\" href=\"");
    link(html, choice, words, choice.whose.as_deref());
    html.tag("\">").tag(words.cancel()).tag("</a></div></form>");
}

/// How a status looks.
const fn mood(status: Status) -> &'static str {
    match status {
        Status::Queued | Status::Sent | Status::Delayed => "way",
        Status::Delivered | Status::Read | Status::Opened | Status::Clicked => "good",
        Status::Undelivered
        | Status::Failed
        | Status::Bounced
        | Status::Dropped
        | Status::Complained
        | Status::Unsubscribed => "bad",
    }
}
