//! Templates become texts: strictly, so that a message never says "Dear ,", and bounded, because whoever may write one must not
//! be able to stop the process that renders it.

mod bounds;

use std::collections::BTreeMap;
use std::io;

use mail_parser::decoders::html::html_to_text;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, filters, tests as conditions};
use serde_json::Value;

use crate::problem::{Code, Problem};

/// The longest text that a template may have, and that may come of one.
pub(super) const TEXT_BYTES_MAX: usize = 512 * 1024;

/// How much work a template may make, in minijinja's units: loops end. A unit may look at all variables.
const FUEL: u64 = 20_000;

/// The most that variables may have, as JSON.
const VARIABLES_BYTES_MAX: usize = 64 * 1024;

/// What stands for a template's placeholders.
pub(super) type Variables = BTreeMap<String, Value>;

/// How values go into a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Text,
    /// Escaped, so that none becomes markup.
    Html,
}

/// Renders a template. `field` is what its text is called where it was given.
///
/// # Errors
/// 422, which names the variable that is missing, or the line that cannot be read.
pub(super) fn render(field: &str, template: &str, form: Form, variables: &Variables) -> Result<String, Problem> {
    in_bounds(field, template)?;
    let environment = environment(form);
    let unreadable = |error: minijinja::Error| unreadable(field, &error);
    let compiled = environment.template_from_str(template).map_err(unreadable)?;
    small(variables)?;
    let mut rendered = Bounded::of(TEXT_BYTES_MAX);
    if let Err(error) = compiled.render_captured_to(Serde(variables), &mut rendered) {
        if rendered.is_full {
            let detail = format!("`{field}` has more than {TEXT_BYTES_MAX} bytes once it is rendered.");
            return Err(Problem::new(Code::Unreadable, detail));
        }
        if error.kind() != ErrorKind::UndefinedError {
            return Err(unreadable(error));
        }
        let mut missing: Vec<_> = compiled.undeclared_variables(true).into_iter().collect();
        missing.retain(|path| !is_given(variables, path));
        missing.sort_unstable();
        let names = missing
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ");
        return Err(Problem::new(
            Code::VariableMissing,
            format!("`variables` lacks {names}, which `{field}` needs."),
        ));
    }
    Ok(String::from_utf8(rendered.bytes).unwrap_or_default())
}

/// Whether a template can be read at all.
///
/// # Errors
/// 422 with the line at fault.
pub(super) fn check(field: &str, template: &str) -> Result<(), Problem> {
    in_bounds(field, template)?;
    let environment = environment(Form::Text);
    let parsed = environment.template_from_str(template).map(drop);
    parsed.map_err(|error| unreadable(field, &error))
}

/// Only what looks at each value once: nothing that sorts, repeats or counts up.
fn environment(form: Form) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(move |_| match form {
        Form::Text => AutoEscape::None,
        Form::Html => AutoEscape::Html,
    });
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("title", filters::title);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("default", filters::default);
    environment.add_filter("length", filters::length);
    environment.add_filter("join", filters::join);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("round", filters::round);
    environment.add_filter("int", filters::int);
    environment.add_filter("escape", filters::escape);
    environment.add_test("defined", conditions::is_defined);
    environment.add_test("undefined", conditions::is_undefined);
    environment.add_test("none", conditions::is_none);
    environment
}

fn in_bounds(field: &str, template: &str) -> Result<(), Problem> {
    let refused = |(why, line)| Problem::new(Code::Unreadable, format!("`{field}` {why} in line {line}."));
    bounds::check(template).map_err(refused)
}

fn unreadable(field: &str, error: &minijinja::Error) -> Problem {
    let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    let what = match error.kind() {
        ErrorKind::SyntaxError => "is not a template that can be read",
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
            "has a filter, test or function that there is not"
        }
        ErrorKind::OutOfFuel => "takes too long to render",
        _ => "cannot be rendered with these variables",
    };
    Problem::new(Code::Unreadable, format!("`{field}` {what}{line}."))
}

fn small(variables: &Variables) -> Result<(), Problem> {
    let mut size = Bounded::of(VARIABLES_BYTES_MAX);
    serde_json::to_writer(&mut size, variables).map_err(|_| {
        let detail = format!("`variables` has more than {VARIABLES_BYTES_MAX} bytes.");
        Problem::new(Code::Unreadable, detail)
    })
}

/// Takes only so many bytes.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    is_full: bool,
}

impl Bounded {
    fn of(most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            is_full: false,
        }
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_full |= self.bytes.len() + bytes.len() > self.most;
        if self.is_full {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A page's text, for those who read mail without pictures.
pub(super) fn text_of(html: &str) -> String {
    html_to_text(html).trim().to_owned()
}

fn is_given(variables: &Variables, path: &str) -> bool {
    let mut parts = path.split('.');
    let Some(mut value) = parts.next().and_then(|name| variables.get(name)) else {
        return false;
    };
    for part in parts {
        match value.get(part) {
            Some(inner) => value = inner,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn variables(value: Value) -> Variables {
        serde_json::from_value(value).unwrap()
    }

    fn check(template: &str, form: Form, given: Value, expected: Result<&str, &str>) {
        let rendered = render("text", template, form, &variables(given));
        let rendered = rendered.map_err(|problem| problem.detail);
        assert_eq!(rendered.as_deref().map_err(String::as_str), expected, "{template}");
    }

    #[test]
    fn a_template_is_rendered_and_a_missing_variable_is_named() {
        check(
            "Bonjour {{ name }}",
            Form::Text,
            json!({"name": "Ana"}),
            Ok("Bonjour Ana"),
        );
        let missing = "`variables` lacks `name`, which `text` needs.";
        check("Bonjour {{ name }}", Form::Text, json!({}), Err(missing));
        let both = "`variables` lacks `order.total`, `street`, which `text` needs.";
        let given = json!({"order": {"id": 7}});
        check(
            "{{ order.id }} {{ order.total }} {{ street }}",
            Form::Text,
            given,
            Err(both),
        );
        let loops = "{% for item in items %}{{ item.name }};{% endfor %}";
        check(
            loops,
            Form::Text,
            json!({"items": [{"name": "a"}, {"name": "b"}]}),
            Ok("a;b;"),
        );
    }

    #[test]
    fn values_never_become_markup_in_a_page() {
        let given = json!({"name": "<script>&'\""});
        let escaped = "<p>&lt;script&gt;&amp;&#x27;&quot;</p>";
        check("<p>{{ name }}</p>", Form::Html, given.clone(), Ok(escaped));
        check("{{ name }}", Form::Text, given, Ok("<script>&'\""));
    }

    #[test]
    fn what_cannot_be_read_or_never_ends_is_refused() {
        check(
            "{% if %}",
            Form::Text,
            json!({}),
            Err("`text` is not a template that can be read in line 1."),
        );
        let given = json!({ "items": vec![1; 200] });
        let endless = "{% for a in items %}{% for b in items %}{% if b == a %}{% endif %}{% endfor %}{% endfor %}";
        check(
            endless,
            Form::Text,
            given,
            Err("`text` takes too long to render in line 1."),
        );
        let given = json!({ "items": vec![1; 1_000], "word": "x".repeat(1_000) });
        let long = "{% for a in items %}{{ word }}{% endfor %}";
        let detail = "`text` has more than 524288 bytes once it is rendered.";
        check(long, Form::Text, given, Err(detail));
        let large = json!({ "word": "x".repeat(VARIABLES_BYTES_MAX) });
        let detail = "`variables` has more than 65536 bytes.";
        check("{{ word }}", Form::Text, large, Err(detail));
        let detail = "`text` has a filter, test or function that there is not in line 1.";
        check("{{ range(3) }}", Form::Text, json!({}), Err(detail));
        check("{{ [3, 1] | sort }}", Form::Text, json!({}), Err(detail));
    }

    /// A thread's usual stack, and every way to nest that is allowed at its most. An overflow would end this process.
    #[test]
    fn no_template_that_is_taken_overflows_the_stack() {
        let filled = |open: &str, piece: &str, close: &str| {
            let times = (490 - open.len() - close.len()) / piece.len();
            format!("{{{{ {open}{}{close} }}}}", piece.repeat(times))
        };
        let mut deep = vec![
            filled("", "-", "1"),
            filled("", "not ", "a"),
            filled("1", "+1", ""),
            filled("a", "[0]", ""),
            filled("a", ".b", ""),
            filled("a", "|trim", ""),
            filled("1", " if 1 else 1", ""),
            filled("a", " and a", ""),
            filled("a", " == a", ""),
            filled("", "(", "a"),
            filled("", "[", "a"),
        ];
        for (open, close) in [("{% if a %}", "{% endif %}"), ("{% for b in a %}", "{% endfor %}")] {
            deep.push(open.repeat(500) + &close.repeat(500));
        }
        deep.push("{% if a %}".to_owned() + &"{% elif a %}".repeat(100) + "{% endif %}");
        let render_all = move || {
            for template in deep {
                // Whether it is good or refused does not matter.
                drop(render("text", &template, Form::Text, &variables(json!({ "a": [[1]] }))));
            }
        };
        std::thread::spawn(render_all).join().unwrap();
    }

    #[test]
    fn a_page_has_a_text_beside_it() {
        assert_eq!(text_of("<p>Hello <b>Ana</b></p>"), "Hello Ana");
    }
}
