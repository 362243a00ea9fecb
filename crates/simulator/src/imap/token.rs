//! Takes a command apart (RFC 3501, 9).

/// A piece of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word as it stands; square brackets with all that is in them are part of it.
    Word(String),
    /// What stood in quotes, or was sent as a literal.
    Text(String),
    Open,
    Close,
}

impl Token {
    /// What it says, if it is no parenthesis.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Word(text) | Self::Text(text) => Some(text),
            Self::Open | Self::Close => None,
        }
    }
}

/// The length that the literal at the end of a line announces, and whether the client waits to be asked for it.
pub(super) fn literal(line: &str) -> Option<(usize, bool)> {
    let (_, length) = line.strip_suffix('}')?.rsplit_once('{')?;
    let (length, waits) = length
        .strip_suffix('+')
        .map_or((length, true), |length| (length, false));
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    // What is larger than any number is too large.
    is_number.then(|| (length.parse().unwrap_or(usize::MAX), waits))
}

/// Takes lines apart. Between two of them stands the literal that the first one announced. None when it is no command.
pub(super) fn tokens(lines: &[String], literals: &[String]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let literal = literals.get(place);
        let line = match literal {
            Some(_) => line.rsplit_once('{')?.0,
            None => line,
        };
        read_line(line, &mut tokens)?;
        tokens.extend(literal.map(|text| Token::Text(text.clone())));
    }
    Some(tokens)
}

fn read_line(line: &str, tokens: &mut Vec<Token>) -> Option<()> {
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '(' => (Token::Open, &rest[1..]),
            ')' => (Token::Close, &rest[1..]),
            '"' => quoted(&rest[1..])?,
            _ => word(rest)?,
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Some(())
}

fn quoted(text: &str) -> Option<(Token, &str)> {
    let mut read = String::new();
    let mut signs = text.char_indices();
    while let Some((place, sign)) = signs.next() {
        match sign {
            '"' => return Some((Token::Text(read), &text[place + 1..])),
            '\\' => read.push(signs.next()?.1),
            sign => read.push(sign),
        }
    }
    None
}

fn word(text: &str) -> Option<(Token, &str)> {
    let mut depth = 0_u32;
    for (place, sign) in text.char_indices() {
        match sign {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ' ' | '(' | ')' | '"' if depth == 0 => {
                return Some((Token::Word(text[..place].to_owned()), &text[place..]));
            }
            _ => {}
        }
    }
    (depth == 0).then(|| (Token::Word(text.to_owned()), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<&[Token]>) {
        let expected = expected.map(<[Token]>::to_vec);
        assert_eq!(tokens(&[line.to_owned()], &[]), expected, "{line}");
    }

    fn word(text: &str) -> Token {
        Token::Word(text.to_owned())
    }

    #[test]
    fn a_command_falls_into_words_texts_and_parentheses() {
        let quoted = Token::Text("a \"b\" \\ ".to_owned());
        check(
            "a1 LOGIN ana \"a \\\"b\\\" \\\\ \"",
            Some(&[word("a1"), word("LOGIN"), word("ana"), quoted]),
        );
        check(
            "(UID BODY.PEEK[HEADER.FIELDS (FROM)]<0.9>)",
            Some(&[
                Token::Open,
                word("UID"),
                word("BODY.PEEK[HEADER.FIELDS (FROM)]<0.9>"),
                Token::Close,
            ]),
        );
        check("(\\Seen)", Some(&[Token::Open, word("\\Seen"), Token::Close]));
        check("a \"open", None);
        check("BODY[", None);
    }

    #[test]
    fn a_literal_is_a_text_whatever_is_in_it() {
        let lines = ["a1 LOGIN {3}".to_owned(), " {4+}".to_owned(), String::new()];
        let literals = ["a b".to_owned(), "(c){".to_owned()];
        let expected = [
            word("a1"),
            word("LOGIN"),
            Token::Text("a b".into()),
            Token::Text("(c){".into()),
        ];
        assert_eq!(tokens(&lines, &literals).as_deref(), Some(&expected[..]));
        assert_eq!(literal("LOGIN {3}"), Some((3, true)));
        assert_eq!(literal("LOGIN {3+}"), Some((3, false)));
        assert_eq!(literal("LOGIN {x}"), None);
    }
}
