//! Plain scalars by the rules of YAML 1.1, as the original's library read them.

/// True for what stands for "no value" when it is written plain.
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(false)
        }
        _ => None,
    }
}

/// Decimal, 0x, 0b, 0o, octal with a leading zero, `_` between digits; a float is cut toward zero.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let digits = text.replace('_', "");
    let (negative, digits) = match digits.strip_prefix(['-', '+']) {
        Some(rest) => (digits.starts_with('-'), rest),
        None => (false, digits.as_str()),
    };
    let magnitude = if let Some(hex) = digits.strip_prefix("0x") {
        unsigned(hex, 16)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        unsigned(binary, 2)
    } else if let Some(octal) = digits.strip_prefix("0o") {
        unsigned(octal, 8)
    } else if digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
    {
        unsigned(digits, 8)
    } else {
        unsigned(digits, 10)
    };
    match magnitude {
        Some(value) if negative => value.checked_neg(),
        Some(value) => Some(value),
        None => whole_part(float(text)?),
    }
}

fn unsigned(digits: &str, radix: u32) -> Option<i64> {
    let clean = !digits.is_empty() && !digits.starts_with(['-', '+']);
    clean
        .then(|| i64::from_str_radix(digits, radix).ok())
        .flatten()
}

/// A float without its fraction, if it fits.
fn whole_part(value: f64) -> Option<i64> {
    // Through text: exact, and without a cast that could overflow.
    format!("{:.0}", value.trunc()).parse().ok()
}

pub(crate) fn float(text: &str) -> Option<f64> {
    let clean = text.replace('_', "");
    let shaped = clean
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'))
        && clean.bytes().any(|b| b.is_ascii_digit());
    shaped.then(|| clean.parse().ok()).flatten()
}

/// A float as Go's `%v` writes it: 15, 0.5, 1e+21.
pub(crate) fn show_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_in_all_the_old_forms() {
        for (text, value) in [
            ("100", 100),
            ("0144", 100),
            ("0x64", 100),
            ("0b11", 3),
            ("0o17", 15),
            ("1_000", 1000),
            ("1e4", 10_000),
            ("-7", -7),
            ("2.9", 2),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in ["", "x", "0x", "--1", "1e400", "09a"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn floats_are_shown_as_go_shows_them() {
        for (value, text) in [
            (15.0, "15"),
            (0.5, "0.5"),
            (1e21, "1e+21"),
            (1e-7, "1e-07"),
            (1e20, "100000000000000000000"),
        ] {
            assert_eq!(show_float(value), text);
        }
    }
}
