//! Sets of numbers: `1`, `3:5`, `7:*`, `1,3:5`.

/// Some numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set(Vec<(End, End)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Number(u32),
    /// The last one there is.
    Last,
}

impl End {
    fn read(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::Last),
            text => text.parse().ok().filter(|number| *number > 0).map(Self::Number),
        }
    }

    const fn of(self, last: u32) -> u32 {
        match self {
            Self::Number(number) => number,
            Self::Last => last,
        }
    }
}

impl Set {
    pub(super) fn read(text: &str) -> Option<Self> {
        let range = |text: &str| {
            let (first, last) = text.split_once(':').unwrap_or((text, text));
            Some((End::read(first)?, End::read(last)?))
        };
        text.split(',').map(range).collect::<Option<_>>().map(Self)
    }

    /// Whether `number` is one of them, if `last` is the last one there is. `n:*` always has the last one, also where n is
    /// beyond it (RFC 3501, 6.4.8).
    pub(super) fn has(&self, number: u32, last: u32) -> bool {
        self.0.iter().any(|(one, other)| {
            let (one, other) = (one.of(last), other.of(last));
            (one.min(other)..=one.max(other)).contains(&number)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[u32]) {
        let set = Set::read(text);
        let has = |number: &u32| set.as_ref().is_some_and(|set| set.has(*number, 5));
        let numbers: Vec<_> = (1..=5).filter(has).collect();
        assert_eq!(numbers, expected, "{text}");
    }

    #[test]
    fn a_set_has_its_numbers_and_the_last_one_where_it_says_so() {
        check("2", &[2]);
        check("4:2", &[2, 3, 4]);
        check("1,4:*", &[1, 4, 5]);
        check("*", &[5]);
        check("9:*", &[5]);
        for odd in ["", "0", "x", "1:", "1;2", "-1"] {
            assert_eq!(Set::read(odd), None, "{odd}");
        }
    }
}
