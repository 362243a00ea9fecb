//! Writes HTML in which nothing that anybody wrote is taken for a tag.

/// A document that is being written. Tags can only be texts of this program; everything else is escaped.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Tags. Only what stands in the code can be passed here.
    pub(super) fn tag(&mut self, tag: &'static str) -> &mut Self {
        self.0.push_str(tag);
        self
    }

    /// Text, also inside an attribute in double quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for sign in text.chars() {
            match sign {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Would turn around what stands beside it.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.push('\u{fffd}'),
                sign => self.0.push(sign),
            }
        }
        self
    }

    /// Text in which links can be followed.
    pub(super) fn linked(&mut self, text: &str) -> &mut Self {
        let mut rest = text;
        while let Some(begin) = link_begin(rest) {
            let (before, from) = rest.split_at(begin);
            let (link, after) = from.split_at(link_end(from));
            self.text(before);
            self.tag("<a rel=\"noreferrer\" href=\"")
                .text(link)
                .tag("\">")
                .text(link)
                .tag("</a>");
            rest = after;
        }
        self.text(rest)
    }

    /// A name and a value of a query, after `?` or `&`.
    pub(super) fn pair(&mut self, name: &'static str, value: &str) -> &mut Self {
        let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        self.tag(name).tag("=").text(&encoded)
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Only these: no other scheme can be made a link of.
fn link_begin(text: &str) -> Option<usize> {
    text.find("https://").into_iter().chain(text.find("http://")).min()
}

fn link_end(text: &str) -> usize {
    let end = text.find(|sign: char| sign.is_whitespace() || sign.is_control() || "\"'<>".contains(sign));
    let link = &text[..end.unwrap_or(text.len())];
    // The sign at the end of a sentence is seldom part of the link.
    link.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut html = Html::default();
        html.linked(text);
        assert_eq!(html.finish(), expected);
    }

    #[test]
    fn what_somebody_wrote_is_never_a_tag() {
        check(
            "<script>alert('x') & \"y\"",
            "&lt;script&gt;alert(&#39;x&#39;) &amp; &quot;y&quot;",
        );
        check("\u{202e}evil", "\u{fffd}evil");
    }

    #[test]
    fn a_link_can_be_followed_and_holds_no_quote() {
        check(
            "see (https://x.test/?a=1&b=2).",
            "see (<a rel=\"noreferrer\" href=\"https://x.test/?a=1&amp;b=2\">https://x.test/?a=1&amp;b=2</a>).",
        );
        check(
            "http://x.test/\"onclick=\"y",
            "<a rel=\"noreferrer\" href=\"http://x.test/\">http://x.test/</a>&quot;onclick=&quot;y",
        );
        check("javascript:alert(1)", "javascript:alert(1)");
    }

    #[test]
    fn values_in_a_link_are_encoded() {
        let mut html = Html::default();
        html.pair("box", "+1 & \"<x>");
        assert_eq!(html.finish(), "box=%2B1+%26+%22%3Cx%3E");
    }
}
