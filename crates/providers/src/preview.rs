//! What may be shown of a secret, so that people can tell two of them apart.

/// Below this, what is shown would be too much of it.
const CHARS_MIN: usize = 16;

/// `AC12…9f`: the first four characters and the last two, of a text that is long enough; else the first one.
pub(crate) fn short(text: &str) -> String {
    let count = text.chars().count();
    if count < CHARS_MIN {
        let first: String = text.chars().take(1).collect();
        return format!("{first}…");
    }
    let first: String = text.chars().take(4).collect();
    let last: String = text.chars().skip(count - 2).collect();
    format!("{first}…{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_shows_both_ends_of_what_is_long_enough() {
        let check = |text: &str, expected: &str| assert_eq!(short(text), expected);
        check("AC6ae32eaeb19b4d6974b27e9e2e7fc789", "AC6a…89");
        check("SG.0123456789abcdef", "SG.0…ef");
        check("0123456789abcde", "0…");
        check("é", "é…");
        check("", "…");
    }
}
