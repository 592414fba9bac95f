//! Figures as a reader sees them, each with its unit.

/// Three digits that count: `1.23 M`, `123 k`, `98.1`.
pub(crate) fn si(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        v if v >= 999.5e6 => (value / 1e9, " G"),
        v if v >= 999.5e3 => (value / 1e6, " M"),
        v if v >= 9_995.0 => (value / 1e3, " k"),
        _ => return if value.abs() >= 999.5 { grouped(value) } else { digits(value) },
    };
    digits(scaled) + unit
}

pub(crate) fn per_second(value: f64) -> String {
    si(value) + "/s"
}

/// Of microseconds.
pub(crate) fn time(us: f64) -> String {
    match us {
        us if us >= 999.5e3 => digits(us / 1e6) + " s",
        us if us >= 999.5 => digits(us / 1e3) + " ms",
        us => digits(us) + " µs",
    }
}

pub(crate) fn kib(value: f64) -> String {
    match value {
        v if v >= 1023.5 => digits(v / 1024.0) + " MiB",
        v => digits(v) + " KiB",
    }
}

pub(crate) fn bytes(value: f64) -> String {
    match value {
        v if v >= 1024.0 * 1024.0 => digits(v / (1024.0 * 1024.0)) + " MiB",
        v if v >= 1024.0 => digits(v / 1024.0) + " KiB",
        v => digits(v) + " B",
    }
}

/// As a multiple: `18.8x`, `0.31x`.
pub(crate) fn times(value: f64) -> String {
    digits(value) + "x"
}

/// Three digits that count.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 || v == 0.0 => 2,
        v if v >= 0.09995 => 3,
        _ => 4,
    };
    let text = format!("{value:.places$}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    // Round figures, such as those of grid lines, are written as such.
    let is_round =
        places > 0 && short.parse().is_ok_and(|short: f64| (short - value).abs() <= value.abs() * 1e-9);
    if is_round { short.to_owned() } else { text }
}

/// The ends of a range, with their unit where it is not that of the figure beside them: `29.0–40.1`, `980 µs–1.20 ms`.
pub(crate) fn range(beside: &str, low: &str, high: &str) -> String {
    let unit = |text: &str| {
        text.trim_start_matches(|letter: char| letter.is_ascii_digit() || ".,".contains(letter)).to_owned()
    };
    let is_same = unit(beside) == unit(low) && unit(beside) == unit(high);
    let short = |text: &str| {
        if is_same { text.strip_suffix(&unit(text)).unwrap_or(text).to_owned() } else { text.to_owned() }
    };
    format!("{}–{}", short(low), short(high))
}

/// A whole number with commas: 1,234,567.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Words in front of a whole number: `1 connection`, `16,384 connections`.
pub(crate) fn count(number: u32, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(f64::from(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_that_count() {
        assert_eq!(
            [0.0, 0.3125, 1.0, 9.999, 31.04, 998.7].map(digits),
            ["0", "0.312", "1", "10.0", "31.0", "999"]
        );
        assert_eq!([100.0, 120.0, 20.0, 0.3, 0.05].map(digits), ["100", "120", "20", "0.3", "0.05"]);
    }

    #[test]
    fn rates_have_prefixes() {
        let texts = [7.0, 1234.0, 12_345.0, 999_600.0, 1_234_567.0, 2e9].map(per_second);
        assert_eq!(texts, ["7/s", "1,234/s", "12.3 k/s", "1.00 M/s", "1.23 M/s", "2 G/s"]);
    }

    #[test]
    fn times_and_sizes_have_the_unit_that_suits() {
        assert_eq!([8.46, 1_000.0, 30_123.0, 2e6].map(time), ["8.46 µs", "1 ms", "30.1 ms", "2 s"]);
        assert_eq!([8.0, 4096.0, 1_048_576.0].map(bytes), ["8 B", "4 KiB", "1 MiB"]);
        assert_eq!([1.904, 2048.0].map(kib), ["1.90 KiB", "2 MiB"]);
    }

    #[test]
    fn ranges_have_no_unit_that_is_beside_them() {
        assert_eq!(range("31 µs", "29 µs", "40.1 µs"), "29–40.1");
        assert_eq!(range("999 µs", "980 µs", "1.20 ms"), "980 µs–1.20 ms");
        assert_eq!(range("18.8x", "9.10x", "21.0x"), "9.10–21.0");
    }

    #[test]
    fn one_is_not_plural() {
        assert_eq!([1, 16_384].map(|n| count(n, "connection")), ["1 connection", "16,384 connections"]);
    }
}
