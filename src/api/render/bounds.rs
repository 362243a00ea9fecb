//! What a template may say: little enough that reading and rendering it are bounded in time, memory and stack, whoever wrote it.
//!
//! The template engine bounds its own loops, but neither how deep an expression nests (an overflown stack ends the process, with
//! everything else it does) nor how much one step computes. So a template prints values, asks and loops; an expression is short;
//! and no operator or statement makes values grow.

/// The longest expression or statement, in bytes: nothing in it can nest deeper.
const TAG_BYTES_MAX: usize = 500;

/// How many expressions and statements a template may have.
const TAGS_MAX: usize = 1_000;

/// How many `elif` a template may have: each nests in the one before.
const ELIFS_MAX: usize = 100;

/// The statements there are.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// What operators are not there: repeating, joining and cutting make values grow step by step.
const OPERATORS: [char; 3] = ['*', '~', ':'];

/// Why a template is not taken, to be read after its name, and the line.
pub(super) type Refused = (String, usize);

/// Whether a template says no more than it may. Whether it can be read is not looked at.
///
/// # Errors
/// What it says too much, and where.
pub(super) fn check(template: &str) -> Result<(), Refused> {
    let (mut rest, mut tags, mut elifs) = (template, 0, 0);
    while let Some((tag, after)) = next_tag(rest) {
        let line = || 1 + template[..template.len() - after.len()].matches('\n').count();
        tags += 1;
        if tags > TAGS_MAX {
            return Err((format!("has more than {TAGS_MAX} placeholders and statements"), line()));
        }
        allowed(&tag).map_err(|why| (why, line()))?;
        elifs += usize::from(tag.is_statement && tag.word() == "elif");
        if elifs > ELIFS_MAX {
            return Err((format!("has more than {ELIFS_MAX} `elif`"), line()));
        }
        rest = after;
    }
    Ok(())
}

/// `{{ … }}` or `{% … %}`.
struct Tag<'a> {
    is_statement: bool,
    inside: &'a str,
}

impl Tag<'_> {
    /// What a statement begins with.
    fn word(&self) -> &str {
        let inside = self.inside.trim_start_matches(['-', '+']).trim_start();
        let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &inside[..end.unwrap_or(inside.len())]
    }
}

fn allowed(tag: &Tag<'_>) -> Result<(), String> {
    if tag.inside.len() > TAG_BYTES_MAX {
        return Err(format!(
            "has a placeholder or statement of more than {TAG_BYTES_MAX} bytes"
        ));
    }
    if tag.is_statement && !STATEMENTS.contains(&tag.word()) {
        let known = STATEMENTS.join("`, `");
        return Err(format!("has another statement than `{known}`"));
    }
    match outside_of_quotes(tag.inside).find(|(_, c)| OPERATORS.contains(c)) {
        Some((_, operator)) => Err(format!("has the operator `{operator}`, which templates do without")),
        None => Ok(()),
    }
}

/// The first tag, and what comes behind it. Comments are passed over.
fn next_tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let mut rest = text;
    loop {
        let start = rest
            .find("{{")
            .into_iter()
            .chain(rest.find("{%"))
            .chain(rest.find("{#"))
            .min()?;
        let inside = &rest[start + 2..];
        let is_statement = match rest.as_bytes()[start + 1] {
            b'#' => {
                rest = inside.split_once("#}")?.1;
                continue;
            }
            sign => sign == b'%',
        };
        let end = if is_statement { "%}" } else { "}}" };
        let length = outside_of_quotes(inside)
            .map(|(at, _)| at)
            .find(|at| inside[*at..].starts_with(end));
        // One that never ends is refused for its length, or where it is read.
        let length = length.unwrap_or(inside.len());
        let tag = Tag {
            is_statement,
            inside: &inside[..length],
        };
        return Some((tag, inside.get(length + 2..).unwrap_or("")));
    }
}

/// The characters that are part of no quoted text, with their places.
fn outside_of_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quote, mut is_escaped) = (None, false);
    text.char_indices().filter(move |(_, c)| {
        let Some(end) = quote else {
            quote = Some(*c).filter(|c| matches!(c, '"' | '\''));
            return quote.is_none();
        };
        if !is_escaped && *c == end {
            quote = None;
        }
        is_escaped = !is_escaped && *c == '\\';
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_templates_need_is_allowed() {
        for template in [
            "Bonjour {{ name }}, {{- order.total | round(2) -}} €",
            "{% if a and b == 'x * ~ : }}' %}1{% elif c %}2{%- else -%}3{% endif %}",
            "{% for item in items %}{{ loop.index }} {{ item['a'] }}{% endfor %}",
            "{# a comment with * and {{ #}1 * 2 ~ 3 : 4",
            "{{ \"\\\" * \" }} a { b } {",
        ] {
            assert_eq!(check(template), Ok(()), "{template}");
        }
    }

    #[test]
    fn what_grows_or_nests_is_refused_with_its_line() {
        for (template, named) in [
            ("\n{{ 'x' * 100 }}", "`*`"),
            ("\n{{ a ~ a }}", "`~`"),
            ("\n{{ a[1:] }}", "`:`"),
            ("\n{{ '\\\\' * 2 }}", "`*`"),
            ("\n{% set a = 1 %}", "statement"),
            ("\n{%- macro a() -%}", "statement"),
            ("\n{% raw %}{{ a * a }}{% endraw %}", "statement"),
        ] {
            let (why, line) = check(template).expect_err(template);
            assert!(why.contains(named), "{template}: {why}");
            assert_eq!(line, 2, "{template}");
        }
        let long = format!("{{{{ {}1 }}}}", "-".repeat(TAG_BYTES_MAX));
        assert!(check(&long).is_err());
        assert!(check(&long[..long.len() - 2]).is_err(), "it never ends");
        let chain = |elifs| format!("{{% if a %}}{}{{% endif %}}", "{%elif a %}".repeat(elifs));
        assert!(check(&chain(ELIFS_MAX)).is_ok() && check(&chain(ELIFS_MAX + 1)).is_err());
        assert!(check(&"{{ a }}".repeat(TAGS_MAX)).is_ok());
        assert!(check(&"{{ a }}".repeat(TAGS_MAX + 1)).is_err());
    }
}
