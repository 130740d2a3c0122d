//! Figures as people read them.

use std::time::Duration;

/// Three digits and a unit: `1.23 ms`.
pub(super) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    // From here on three digits are whole seconds.
    if seconds >= 99.95 {
        return format!("{} s", whole(seconds.round() as u64));
    }
    // 999.6 µs are 1.00 ms.
    let (value, unit) = [(1e9, "ns"), (1e6, "µs"), (1e3, "ms")]
        .into_iter()
        .map(|(factor, unit)| (seconds * factor, unit))
        .find(|(value, _)| *value < 999.5)
        .unwrap_or((seconds, "s"));
    format!("{} {unit}", digits(value))
}

/// A rate.
pub(super) fn number(value: f64) -> String {
    if value >= 999.5 {
        whole(value.round() as u64)
    } else {
        digits(value)
    }
}

/// Three digits.
fn digits(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    // The bounds are half a digit below the powers of ten: 99.96 is written as 100, not as 100.0.
    } else if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else if value >= 0.01 {
        format!("{value:.2}")
    } else {
        format!("{value:.1e}")
    }
}

/// `1,234,567`.
pub(super) fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn percent(share: f64) -> String {
    if share == 0.0 {
        "0 %".to_owned()
    // It must not be written as 0.00 %: something did fail.
    } else if share < 0.0001 {
        "<0.01 %".to_owned()
    } else {
        format!("{:.2} %", share * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_the_fitting_unit() {
        for (nanos, text) in [
            (0, "0 ns"),
            (850, "850 ns"),
            (1_500, "1.50 µs"),
            (999_600, "1.00 ms"),
            (12_345_000, "12.3 ms"),
            (1_000_000_000, "1.00 s"),
            (3_600_000_000_000, "3,600 s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn large_numbers_have_groups() {
        assert_eq!(whole(1_234_567), "1,234,567");
        assert_eq!(whole(123), "123");
        assert_eq!(number(0.001), "1.0e-3");
        assert_eq!(number(12_345.6), "12,346");
        assert_eq!(percent(0.1236), "12.36 %");
        assert_eq!(percent(0.000_001), "<0.01 %");
    }
}
