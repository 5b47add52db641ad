//! Points in time as people read them here, in the machine's time zone.

use jiff::tz::TimeZone;

/// Now, in microseconds since 1970.
pub(crate) fn now() -> u64 {
    init_sys::clock::realtime()
}

/// `Mon 2016-06-20 08:52:43 UTC`; empty for "never".
pub(crate) fn stamp(micros: u64, zone: &TimeZone) -> String {
    if micros == 0 || micros == u64::MAX {
        return String::new();
    }
    journal::render::time(micros, zone, "%a %Y-%m-%d %H:%M:%S %Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_name_their_zone() {
        assert_eq!(
            stamp(1_466_412_763_000_000, &TimeZone::UTC),
            "Mon 2016-06-20 08:52:43 UTC"
        );
        assert_eq!(stamp(0, &TimeZone::UTC), "");
    }
}
