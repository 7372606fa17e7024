//! Kubernetes quantities: `250m`, `1.5`, `2Gi`, `1e3`. Pure.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use serde_json::Value;

/// In billionths, the finest unit that Kubernetes keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

const ONE: i128 = 1_000_000_000;

impl Quantity {
    pub const ZERO: Self = Self(0);

    pub fn whole(number: u64) -> Self {
        Self(i128::from(number) * ONE)
    }

    /// A string, or a bare number, as YAML has it.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = [whole, fraction.trim_end_matches('0')].concat();
        if digits.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let digits: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        let places = i32::try_from(fraction.trim_end_matches('0').len()).ok()?;
        let (unit, exponent) = unit(suffix)?;
        let scaled = digits.checked_mul(unit)?;
        let exponent = exponent.checked_sub(places)?;
        let ten = |exponent: i32| 10_i128.checked_pow(exponent.unsigned_abs());
        let value = match ten(exponent) {
            Some(ten) if exponent >= 0 => scaled.checked_mul(ten)?,
            // What is finer than a billionth is rounded up, as the server does.
            Some(ten) => scaled.checked_add(ten - 1)? / ten,
            None => return None,
        };
        Some(Self(sign * value))
    }

    pub fn times(self, number: u64) -> Self {
        Self(self.0.saturating_mul(i128::from(number)))
    }
}

/// What a suffix stands for: a number of billionths, and a power of ten beside it.
fn unit(suffix: &str) -> Option<(i128, i32)> {
    let binary = |power: u32| Some((ONE << (10 * power), 0));
    match suffix {
        "n" => Some((1, 0)),
        "u" => Some((1, 3)),
        "m" => Some((1, 6)),
        "" => Some((1, 9)),
        "k" => Some((1, 12)),
        "M" => Some((1, 15)),
        "G" => Some((1, 18)),
        "T" => Some((1, 21)),
        "P" => Some((1, 24)),
        "E" => Some((1, 27)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            Some((1, exponent.checked_add(9)?))
        }
    }
}

impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// In the largest unit that leaves nothing behind the point. Small whole numbers, as of CPUs and objects, have none.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [(&str, u32); 5] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20)];
        const DECIMAL: [(&str, u32); 4] = [("P", 15), ("T", 12), ("G", 9), ("M", 6)];
        const FINER: [(&str, i128); 3] = [("m", 1_000_000), ("u", 1_000), ("n", 1)];
        let units = BINARY
            .map(|(suffix, power)| (suffix, ONE << power))
            .into_iter()
            .chain(DECIMAL.map(|(suffix, power)| (suffix, ONE * 10_i128.pow(power))))
            .chain([("", ONE)])
            .chain(FINER);
        let fits = |(_, unit): &(&str, i128)| self.0 != 0 && self.0 % unit == 0;
        let (suffix, unit) = { units }.find(fits).unwrap_or(("", ONE));
        write!(f, "{}{suffix}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// B22+: in every form that the API takes.
    #[test]
    fn quantities_are_read_as_the_server_reads_them() {
        let same = [
            ("1", "1000m"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("5.", "5"),
            ("1.50", "1500m"),
            ("1Ki", "1024"),
            ("1.5Gi", "1536Mi"),
            ("1G", "1000000000"),
            ("1e3", "1k"),
            ("1E3", "1k"),
            ("1E", "1000P"),
            ("12e-3", "12m"),
            ("+2", "2"),
            ("100u", "100000n"),
            ("0.1n", "1n"),
            ("1Ei", "1024Pi"),
        ];
        for (one, other) in same {
            let parsed = Quantity::parse(one);
            assert!(parsed.is_some() && parsed == Quantity::parse(other), "{one} is {other}: {parsed:?}");
        }
        for not in ["", ".", "-", "m", "1.2.3", "1x", "1 Gi", "1ki", "1e", "1e99", "1KI", "١"] {
            assert_eq!(Quantity::parse(not), None, "{not}");
        }
        assert_eq!(Quantity::of(&json!(2)), Quantity::parse("2"));
        assert_eq!(Quantity::of(&json!(0.25)), Quantity::parse("250m"));
        assert_eq!(Quantity::of(&json!(null)), None);
        assert!(Quantity::parse("-1") < Quantity::parse("0") && Quantity::parse("999Mi") < Quantity::parse("1Gi"));
    }

    #[test]
    fn quantities_are_written_as_people_do() {
        for text in ["0", "1", "12", "1024", "250m", "1500m", "3Mi", "512Gi", "2G", "5n", "-3", "1001"] {
            assert_eq!(Quantity::parse(text).map(|quantity| quantity.to_string()).as_deref(), Some(text));
        }
        let sum = Quantity::parse("512Mi").expect("one").times(3);
        assert_eq!((sum + Quantity::parse("512Mi").expect("one")).to_string(), "2Gi");
    }
}
