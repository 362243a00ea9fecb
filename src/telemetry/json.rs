//! Events as flat JSON objects.
//!
//! Written by hand because it is on the path of every job: fields go straight into the line's bytes, and a span's
//! fields are put into words once, when the span begins, not for each event in it.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::writer::Writer;

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// Writes every event as one line.
pub(super) struct JsonLayer(Writer);

impl JsonLayer {
    pub(super) fn new(writer: Writer) -> Self {
        Self(writer)
    }
}

/// The fields of a span, in JSON.
#[derive(Default)]
struct SpanFields(Vec<(&'static str, Vec<u8>)>);

impl SpanFields {
    fn set(&mut self, name: &'static str, value: Vec<u8>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => self.0.push((name, value)),
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = SpanFields::default();
        attributes.record(&mut Fields(|name, value: Value<'_>| fields.set(name, value.to_json())));
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(known) = span.extensions_mut().get_mut::<SpanFields>() {
            record.record(&mut Fields(|name, value: Value<'_>| known.set(name, value.to_json())));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Taken out, not borrowed: writing a value may itself log.
        let mut line = LINE.take();
        line.clear();
        write_event(&mut line, event, &context);
        self.0.push(&line);
        LINE.set(line);
    }
}

fn write_event<S: Subscriber + for<'a> LookupSpan<'a>>(
    line: &mut Vec<u8>,
    event: &Event<'_>,
    context: &Context<'_, S>,
) {
    let metadata = event.metadata();
    line.extend_from_slice(b"{\"at\":\"");
    write_now(line);
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(metadata.level().as_str().as_bytes());
    line.extend_from_slice(b"\",\"target\":");
    write_text(line, metadata.target());
    let mut names: Vec<&'static str> = Vec::new();
    event.record(&mut Fields(|name, value: Value<'_>| {
        // A second field of the name would make an object that readers take in different ways. The sentence comes first.
        if names.contains(&name) {
            return;
        }
        names.push(name);
        write_name(line, name);
        value.write(line);
    }));
    // From the innermost span outwards; of two fields of one name the nearest counts.
    for span in context.event_scope(event).into_iter().flatten() {
        if let Some(fields) = span.extensions().get::<SpanFields>() {
            for (name, value) in &fields.0 {
                if !names.contains(name) {
                    names.push(name);
                    write_name(line, name);
                    line.extend_from_slice(value);
                }
            }
        }
    }
    line.extend_from_slice(b"}\n");
}

/// The instant in microseconds. The second before the point is put into words once and kept: most lines share it.
fn write_now(line: &mut Vec<u8>) {
    let now = chrono::Utc::now();
    let mut second = SECOND.take();
    if second.0 != now.timestamp() {
        second = (now.timestamp(), now.format("%Y-%m-%dT%H:%M:%S").to_string());
    }
    line.extend_from_slice(second.1.as_bytes());
    // Writing to memory cannot fail, here and below..
    let _ = write!(line, ".{:06}Z", now.timestamp_subsec_micros().min(999_999));
    SECOND.set(second);
}

fn write_name(line: &mut Vec<u8>, name: &str) {
    line.push(b',');
    write_text(line, name);
    line.push(b':');
}

/// A field's value as `tracing` hands it over.
enum Value<'a> {
    Text(&'a str),
    Shown(&'a dyn fmt::Debug),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
}

impl Value<'_> {
    fn write(&self, line: &mut Vec<u8>) {
        let _ = match self {
            Self::Text(text) => {
                write_text(line, text);
                Ok(())
            }
            Self::Shown(value) => {
                line.push(b'"');
                let shown = write!(Escaped(line), "{value:?}");
                line.push(b'"');
                shown.map_err(std::io::Error::other)
            }
            Self::Signed(number) => write!(line, "{number}"),
            Self::Unsigned(number) => write!(line, "{number}"),
            Self::Float(number) if number.is_finite() => write!(line, "{number}"),
            Self::Float(_) => write!(line, "null"),
            Self::Bool(value) => write!(line, "{value}"),
        };
    }

    fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        self.write(&mut json);
        json
    }
}

fn write_text(line: &mut Vec<u8>, text: &str) {
    line.push(b'"');
    let _ = Escaped(line).write_str(text);
    line.push(b'"');
}

/// Writes what stands between the quotes of a JSON string.
struct Escaped<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let bytes = text.as_bytes();
        let mut plain_from = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.0.extend_from_slice(&bytes[plain_from..at]);
            plain_from = at + 1;
            match byte {
                b'"' | b'\\' => self.0.extend_from_slice(&[b'\\', byte]),
                b'\n' => self.0.extend_from_slice(b"\\n"),
                _ => write!(self.0, "\\u{byte:04x}").map_err(|_| fmt::Error)?,
            }
        }
        self.0.extend_from_slice(&bytes[plain_from..]);
        Ok(())
    }
}

/// Passes each field on under its name.
struct Fields<F>(F);

impl<F: FnMut(&'static str, Value<'_>)> Visit for Fields<F> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        (self.0)(field.name(), Value::Shown(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        (self.0)(field.name(), Value::Text(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        (self.0)(field.name(), Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        (self.0)(field.name(), Value::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        (self.0)(field.name(), Value::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        (self.0)(field.name(), Value::Bool(value));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt as _;

    /// Catches lines instead of writing them.
    struct Caught(Arc<Mutex<Vec<u8>>>, JsonLayer);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Caught {
        fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
            self.1.on_new_span(attributes, id, context);
        }

        fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
            <JsonLayer as Layer<S>>::on_record(&self.1, id, record, context);
        }

        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            write_event(&mut self.0.lock().unwrap(), event, &context);
        }
    }

    fn lines(log: impl FnOnce()) -> Vec<serde_json::Value> {
        let caught = Arc::new(Mutex::new(Vec::new()));
        let layer = JsonLayer::new(Writer::start(super::super::Destination::Stderr));
        let subscriber = tracing_subscriber::registry().with(Caught(Arc::clone(&caught), layer));
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(caught.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_holds_its_own_fields_and_those_of_every_span_around_it() {
        let lines = lines(|| {
            let request = tracing::info_span!("request", correlation = "c1", route = "/webhooks");
            let _request = request.enter();
            let job =
                tracing::info_span!("job", job.id = %7, attempt = 2, correlation = "c2", late = tracing::field::Empty);
            job.record("late", true);
            let _job = job.enter();
            tracing::info!(count = 3u64, ratio = 0.5, message = "of a field", "It is done.");
        });
        let line = &lines[0];
        assert_eq!(line["message"], "It is done.");
        assert_eq!((&line["count"], &line["ratio"]), (&3.into(), &0.5.into()));
        assert_eq!(
            (&line["job.id"], &line["attempt"], &line["late"]),
            (&"7".into(), &2.into(), &true.into())
        );
        assert_eq!(
            (&line["correlation"], &line["route"]),
            (&"c2".into(), &"/webhooks".into()),
            "the nearest counts"
        );
        assert_eq!(line["level"], "INFO");
        assert!(chrono::DateTime::parse_from_rfc3339(line["at"].as_str().unwrap()).is_ok());
    }

    #[test]
    fn any_text_stays_one_line_of_valid_json() {
        let odd = "a \"quoted\" \\ back\nline\ttab \u{1} é 漢 \u{7f}";
        let lines = lines(|| tracing::warn!(odd, shown = ?odd, number = f64::NAN, "{odd}"));
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["odd"], &lines[0]["message"]), (&odd.into(), &odd.into()));
        assert_eq!(lines[0]["shown"], format!("{odd:?}"));
        assert!(lines[0]["number"].is_null());
    }
}
