//! Templates become texts: strictly, so that a message never says "Dear ,".

use std::collections::BTreeMap;

use mail_parser::decoders::html::html_to_text;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::Value;

use crate::problem::{Code, Problem};

/// The longest text that a template may have, and that may come of one.
pub(super) const TEXT_BYTES_MAX: usize = 512 * 1024;

/// How much work a template may make, in minijinja's units: loops end.
const FUEL: u64 = 200_000;

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
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(move |_| match form {
        Form::Text => AutoEscape::None,
        Form::Html => AutoEscape::Html,
    });
    let unreadable = |error: minijinja::Error| {
        let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
        let what = match error.kind() {
            ErrorKind::SyntaxError => "is not a template that can be read",
            ErrorKind::OutOfFuel => "takes too long to render",
            _ => "cannot be rendered with these variables",
        };
        Problem::new(Code::Unreadable, format!("`{field}` {what}{line}."))
    };
    let compiled = environment.template_from_str(template).map_err(unreadable)?;
    let rendered = compiled.render(Serde(variables)).map_err(|error| {
        if error.kind() != ErrorKind::UndefinedError {
            return unreadable(error);
        }
        let mut missing: Vec<_> = compiled.undeclared_variables(true).into_iter().collect();
        missing.retain(|path| !is_given(variables, path));
        missing.sort_unstable();
        let names = missing
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ");
        Problem::new(
            Code::VariableMissing,
            format!("`variables` lacks {names}, which `{field}` needs."),
        )
    })?;
    if rendered.len() > TEXT_BYTES_MAX {
        return Err(Problem::new(
            Code::Unreadable,
            format!("`{field}` has more than {TEXT_BYTES_MAX} bytes once it is rendered."),
        ));
    }
    Ok(rendered)
}

/// Whether a template can be read at all.
///
/// # Errors
/// 422 with the line at fault.
pub(super) fn check(field: &str, template: &str) -> Result<(), Problem> {
    let parsed = Environment::new().template_from_str(template).map(drop);
    parsed.map_err(|error| {
        let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
        Problem::new(
            Code::Unreadable,
            format!("`{field}` is not a template that can be read{line}."),
        )
    })
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
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
        check(
            endless,
            Form::Text,
            json!({}),
            Err("`text` takes too long to render in line 1."),
        );
    }

    #[test]
    fn a_page_has_a_text_beside_it() {
        assert_eq!(text_of("<p>Hello <b>Ana</b></p>"), "Hello Ana");
    }
}
