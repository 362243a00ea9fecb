//! The numbers on sale. All lie in ranges that the regulators keep for films and examples, so nobody's telephone rings.

/// Numbers of one country and type that follow one another.
struct Range {
    country: &'static str,
    kind: &'static str,
    prefix: &'static str,
    /// So many digits behind the prefix, counted from zero up.
    digits: usize,
    count: u32,
}

const fn range(country: &'static str, kind: &'static str, prefix: &'static str, digits: usize, count: u32) -> Range {
    Range {
        country,
        kind,
        prefix,
        digits,
        count,
    }
}

/// In North America 555-0100 to 555-0199 of every area code is kept free; there are no types but these, and a mobile
/// number cannot be told from another. Sources: NANPA, Arcep, Ofcom, Bundesnetzagentur.
const RANGES: [Range; 15] = [
    range("US", "Local", "+120255501", 2, 100),
    range("US", "Local", "+121255501", 2, 100),
    range("US", "Local", "+130555501", 2, 100),
    range("US", "Local", "+141555501", 2, 100),
    range("US", "TollFree", "+180055501", 2, 100),
    range("CA", "Local", "+141655501", 2, 100),
    range("CA", "Local", "+151455501", 2, 100),
    range("FR", "Mobile", "+33639980", 3, 1_000),
    range("FR", "Local", "+33199000", 3, 1_000),
    range("FR", "Local", "+3326191", 4, 1_000),
    range("GB", "Mobile", "+447700900", 3, 1_000),
    range("GB", "Local", "+4420794600", 2, 100),
    range("GB", "Local", "+4411349600", 2, 100),
    range("DE", "Mobile", "+4917139200", 2, 100),
    range("DE", "Local", "+493023125", 3, 1_000),
];

/// A number on sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnSale {
    pub(super) country: &'static str,
    pub(super) kind: &'static str,
    pub(super) phone_number: String,
}

/// The type of this name, as numbers that were bought say it.
pub(super) fn lower(kind: &str) -> &'static str {
    match kind {
        "Mobile" => "mobile",
        "TollFree" => "tollfree",
        _ => "local",
    }
}

/// Whether numbers of this type are sold there at all.
pub(super) fn sells(country: &str, kind: &str) -> bool {
    RANGES
        .iter()
        .any(|range| range.country == country && range.kind == kind)
}

/// All numbers, whether sold or not, in the same order every time.
pub(super) fn all() -> impl Iterator<Item = OnSale> {
    RANGES.iter().flat_map(|range| {
        (0..range.count).map(move |number| OnSale {
            country: range.country,
            kind: range.kind,
            phone_number: format!("{}{number:0digits$}", range.prefix, digits = range.digits),
        })
    })
}

/// Whether a North American number has this area code. Elsewhere there are none.
pub(super) fn has_area_code(phone_number: &str, area_code: &str) -> bool {
    let rest = phone_number.strip_prefix("+1");
    rest.is_some_and(|rest| rest.starts_with(area_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_on_sale_twice() {
        let mut all: Vec<_> = all().map(|on_sale| on_sale.phone_number).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn every_number_on_sale_is_one_of_its_country() {
        for on_sale in all() {
            let number = domain::E164::parse(&on_sale.phone_number);
            assert!(number.is_ok(), "{on_sale:?}");
        }
    }

    #[test]
    fn a_country_sells_only_the_types_it_has() {
        assert!(sells("FR", "Mobile") && sells("US", "Local"));
        assert!(!sells("US", "Mobile") && !sells("XX", "Local"));
    }
}
