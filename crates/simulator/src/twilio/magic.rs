//! Numbers that are refused whoever asks, as Twilio's test credentials do. Source: Twilio's documentation, "Test
//! credentials".

/// The code that a message from this number is refused with.
pub(super) fn from(number: &str) -> Option<u32> {
    Some(match number {
        "+15005550001" => 21212,
        "+15005550007" => 21606,
        "+15005550008" => 21611,
        _ => return None,
    })
}

/// The code that a message to this number is refused with.
pub(super) fn to(number: &str) -> Option<u32> {
    Some(match number {
        "+15005550001" => 21211,
        "+15005550002" => 21612,
        "+15005550003" => 21408,
        "+15005550004" => 21610,
        "+15005550009" => 21614,
        _ => return None,
    })
}

/// The code that buying this number is refused with.
pub(super) fn purchase(number: &str) -> Option<u32> {
    Some(match number {
        "+15005550000" => 21422,
        "+15005550001" => 21421,
        _ => return None,
    })
}
