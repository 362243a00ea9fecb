//! Reads commands.

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// With EHLO, so that extensions may be offered.
    Ehlo,
    Helo,
    /// The mechanism in capitals, and the first answer if it came along.
    Auth(String, Option<String>),
    /// From whom, and how large it will be.
    Mail(String, Option<usize>),
    /// To whom.
    Rcpt(String),
    Data,
    Rset,
    Noop,
    Vrfy,
    Quit,
    /// Known, but not so.
    Malformed,
    Unknown,
}

impl Command {
    pub(super) fn read(line: &[u8]) -> Self {
        let Ok(line) = std::str::from_utf8(line) else {
            return Self::Malformed;
        };
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if !rest.is_empty() => Self::Ehlo,
            "HELO" if !rest.is_empty() => Self::Helo,
            "AUTH" => auth(rest),
            "MAIL" => {
                path(rest, "FROM:").map_or(Self::Malformed, |(from, parameters)| Self::Mail(from, size(parameters)))
            }
            "RCPT" => match path(rest, "TO:") {
                Some((to, _)) if !to.is_empty() => Self::Rcpt(to),
                _ => Self::Malformed,
            },
            "DATA" if rest.is_empty() => Self::Data,
            "RSET" if rest.is_empty() => Self::Rset,
            "NOOP" => Self::Noop,
            "VRFY" => Self::Vrfy,
            "QUIT" if rest.is_empty() => Self::Quit,
            "EHLO" | "HELO" | "DATA" | "RSET" | "QUIT" => Self::Malformed,
            _ => Self::Unknown,
        }
    }
}

fn auth(rest: &str) -> Command {
    let (mechanism, first) = rest.split_once(' ').unwrap_or((rest, ""));
    // A single = stands for an empty first answer.
    let first = (!first.is_empty()).then(|| first.trim_start_matches('=').to_owned());
    Command::Auth(mechanism.to_ascii_uppercase(), first)
}

/// What stands between `FROM:<` and `>`, and what follows.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(String, &'a str)> {
    let (word, path) = rest.split_at_checked(keyword.len())?;
    let path = path.trim_start().strip_prefix('<')?;
    let (address, parameters) = path.split_once('>')?;
    let is_plain = !address.contains(|sign: char| sign.is_whitespace() || sign.is_control() || sign == '<');
    (word.eq_ignore_ascii_case(keyword) && is_plain).then(|| (address.to_owned(), parameters))
}

fn size(parameters: &str) -> Option<usize> {
    let mut all = parameters
        .split_whitespace()
        .filter_map(|parameter| parameter.split_once('='));
    let (_, size) = all.find(|(name, _)| name.eq_ignore_ascii_case("SIZE"))?;
    // What is larger than any number is too large.
    size.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| size.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Command) {
        assert_eq!(Command::read(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn commands_are_read_whatever_their_capitals() {
        check("ehlo out.example.com", Command::Ehlo);
        check("MAIL FROM:<>", Command::Mail(String::new(), None));
        check(
            "mail from:<a@example.com> BODY=8BITMIME size=1204",
            Command::Mail("a@example.com".into(), Some(1_204)),
        );
        check(
            "MAIL FROM: <a@example.com> SIZE=99999999999999999999",
            Command::Mail("a@example.com".into(), Some(usize::MAX)),
        );
        check("RCPT TO:<ana@example.com>", Command::Rcpt("ana@example.com".into()));
        check("AUTH plain AGE=", Command::Auth("PLAIN".into(), Some("AGE=".into())));
        check("AUTH LOGIN", Command::Auth("LOGIN".into(), None));
        check("QUIT", Command::Quit);
    }

    #[test]
    fn what_is_no_command_is_told_apart_from_what_is_written_wrongly() {
        for line in [
            "EHLO",
            "MAIL FROM:a@example.com",
            "RCPT TO:<>",
            "RCPT TO:<a b@example.com>",
            "DATA now",
            "MAIL",
            "RCPT TO:<a@example.com",
        ] {
            check(line, Command::Malformed);
        }
        for line in ["", "EXPN x", "STARTTLS", "HELP"] {
            check(line, Command::Unknown);
        }
    }
}
