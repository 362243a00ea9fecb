//! E-mail addresses, and texts by people, which show nothing. Input: the text.

#![no_main]

use domain::{EmailAddress, PersonalText};
use libfuzzer_sys::fuzz_target;
use providers::outgoing::{Attachment, ExtraHeader, Line, Mailbox};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(address) = EmailAddress::parse(&text) {
        assert_eq!(EmailAddress::parse(address.expose()).as_ref(), Ok(&address));
        let stored = serde_json::to_string(&address).expect("an address is JSON");
        assert_eq!(
            serde_json::from_str::<EmailAddress>(&stored).ok().as_ref(),
            Some(&address)
        );
        assert_eq!(format!("{address}"), format!("{address:?}"));
        assert_eq!(
            format!("{address}"),
            masked(address.expose()),
            "an address shows more than its initials"
        );
        if let Ok(mailbox) = Mailbox::new(&address) {
            assert!(mailbox.address().is_ascii() || !mailbox.address().contains(char::is_control));
            drop(mailbox.named(&Line::new(&text)));
        }
    }
    let personal = PersonalText::new(text.as_ref());
    assert_eq!(
        format!("{personal:?}{personal}"),
        format!("<{0} bytes><{0} bytes>", text.len())
    );

    // What goes into a header stays in it.
    let line = Line::new(&text);
    assert!(!line.expose().contains(['\r', '\n', '\0']), "a line has two lines");
    assert_eq!(
        Line::new(line.expose()).expose(),
        line.expose(),
        "a line that changes when it is made again"
    );
    let (name, value) = text.split_once(':').unwrap_or((&text, ""));
    if let Ok(header) = ExtraHeader::new(name, &Line::new(value)) {
        assert!(
            header
                .name()
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b':'),
            "no name of a header"
        );
    }
    if let Ok(attachment) = Attachment::new(&Line::new(value), name, Vec::new()) {
        assert!(!attachment.media_type().contains(['\r', '\n']) && !attachment.name().contains(['\r', '\n']));
    }
});

/// `m***@e***.com`, as the documentation says it.
fn masked(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').expect("an address has one");
    let hint = |part: &str| {
        if part.chars().count() > 1 {
            part.chars().next().map(String::from).unwrap_or_default()
        } else {
            String::new()
        }
    };
    let (host, top) = domain.rsplit_once('.').unwrap_or((domain, ""));
    let is_plain = !top.is_empty() && top.chars().all(|char| char.is_ascii_alphabetic());
    let top = if is_plain { format!(".{top}") } else { String::new() };
    format!("{}***@{}***{top}", hint(local), hint(host))
}
