//! Into how many pieces a text message falls: GSM 03.38.

/// The characters that take seven bits; the rest of ASCII and everything else makes the whole message take sixteen.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// These take two places of seven bits.
const EXTENDED: &str = "^{}\\[~]|€";

/// How many pieces.
pub(super) fn count(text: &str) -> usize {
    let mut places = 0;
    for character in text.chars() {
        if BASIC.contains(character) {
            places += 1;
        } else if EXTENDED.contains(character) {
            places += 2;
        } else {
            return pieces(text.encode_utf16().count(), 70, 67);
        }
    }
    pieces(places, 160, 153)
}

/// One piece may be longer than each of several, which have to say which piece they are.
fn pieces(places: usize, alone: usize, joined: usize) -> usize {
    if places <= alone { 1 } else { places.div_ceil(joined) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_falls_into_as_many_pieces_as_its_alphabet_allows() {
        assert_eq!(count(""), 1);
        assert_eq!(count(&"a".repeat(160)), 1);
        assert_eq!(count(&"a".repeat(161)), 2);
        assert_eq!(count(&"a".repeat(307)), 3);
        assert_eq!(count(&"€".repeat(80)), 1);
        assert_eq!(count(&"€".repeat(81)), 2);
        assert_eq!(count(&"ê".repeat(70)), 1);
        assert_eq!(count(&"👋".repeat(36)), 2);
    }
}
