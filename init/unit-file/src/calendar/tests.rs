//! The forms of systemd.time(7) and of case TIM-03.

use init_api::format_timestamp;
use proptest::prelude::*;

use super::*;

#[test]
fn expressions_normalise_as_systemd_analyze_prints_them() {
    for (text, normal) in [
        ("daily", "*-*-* 00:00:00"),
        ("weekly", "Mon *-*-* 00:00:00"),
        ("hourly", "*-*-* *:00:00"),
        ("monthly", "*-*-01 00:00:00"),
        ("*:0/10", "*-*-* *:00/10:00"),
        ("Mon..Fri 10:00", "Mon..Fri *-*-* 10:00:00"),
        ("2016-06-20 07:58", "2016-06-20 07:58:00"),
        ("Sat *-*-1..7 18:00", "Sat *-*-01..07 18:00:00"),
        ("*-*-* 4,16:30:00", "*-*-* 04,16:30:00"),
        ("minutely", "*-*-* *:*:00"),
        ("Mon,Wed *-*-* 00:00:00 UTC", "Mon,Wed *-*-* 00:00:00 UTC"),
        ("*-*~1", "*-*~01 00:00:00"),
        ("yearly", "*-01-01 00:00:00"),
        ("quarterly", "*-01,04,07,10-01 00:00:00"),
        (
            "Thu,Fri 2012-*-1,5 11:12:13",
            "Thu,Fri 2012-*-01,05 11:12:13",
        ),
        ("Sun,Mon,Tue", "Mon,Tue,Sun *-*-* 00:00:00"),
        ("Mon..Sun 5:0", "*-*-* 05:00:00"),
        ("08:05:40 Europe/Berlin", "*-*-* 08:05:40 Europe/Berlin"),
        ("03-05", "*-03-05 00:00:00"),
        ("12-1-1 0:0:1.5", "2012-01-01 00:00:01.500000"),
        ("*:*:*", "*-*-* *:*:*"),
        ("*:*:0/15", "*-*-* *:*:00/15"),
        ("saturday", "Sat *-*-* 00:00:00"),
        ("9..17/2:00", "*-*-* 09..17/2:00:00"),
    ] {
        let calendar: Calendar = text.parse().unwrap();
        assert_eq!(calendar.to_string(), normal, "{text}");
        assert_eq!(normal.parse(), Ok(calendar), "{normal}");
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in [
        "",
        "junk",
        "25:00",
        "*-13-01",
        "*-*-32",
        "10:60",
        "Fri..Mon",
        "*:*/10",
        "1:2:3:4",
        "1-2-3-4",
        "*-*-0",
        "10:00 10:00",
        "1/0:00",
        "Mon Tue",
    ] {
        assert!(text.parse::<Calendar>().is_err(), "{text}");
    }
}

#[test]
fn the_next_time_is_the_first_after_now() {
    // Mon 2016-06-20 08:52:43 UTC
    let now = 1_466_412_763_000_000;
    for (text, wanted) in [
        ("hourly", "Mon 2016-06-20 09:00:00 UTC"),
        ("daily", "Tue 2016-06-21 00:00:00 UTC"),
        ("weekly", "Mon 2016-06-27 00:00:00 UTC"),
        ("08:52:43", "Tue 2016-06-21 08:52:43 UTC"),
        ("08:52:44", "Mon 2016-06-20 08:52:44 UTC"),
        ("*:0/10", "Mon 2016-06-20 09:00:00 UTC"),
        ("*-*~1", "Thu 2016-06-30 00:00:00 UTC"),
        ("*-02-29", "Sat 2020-02-29 00:00:00 UTC"),
        ("Sat *-*-1..7 18:00", "Sat 2016-07-02 18:00:00 UTC"),
        ("Fri *-*-13", "Fri 2017-01-13 00:00:00 UTC"),
        ("2030-01-01", "Tue 2030-01-01 00:00:00 UTC"),
    ] {
        let next = text.parse::<Calendar>().unwrap().next_utc(now).unwrap();
        assert_eq!(format_timestamp(next), wanted, "{text}");
    }
    assert_eq!(
        "2015-01-01".parse::<Calendar>().unwrap().next_utc(now),
        None
    );
    assert_eq!("*-02-30".parse::<Calendar>().unwrap().next_utc(now), None);
}

#[test]
fn a_zone_shifts_the_time() {
    let calendar: Calendar = "10:00 Europe/Berlin".parse().unwrap();
    let next = calendar.next(1_466_380_800_000_000, &|zone, _| {
        if zone.is_some() { 7200 } else { 0 }
    });
    assert_eq!(
        format_timestamp(next.unwrap()),
        "Mon 2016-06-20 08:00:00 UTC"
    );
}

proptest! {
    #[test]
    fn reading_never_panics(text in "[-*0-9a-zA-Z.,/~: ]{0,30}") {
        let _ = text.parse::<Calendar>();
    }

    #[test]
    fn a_normalised_form_is_read_back_and_its_next_time_lies_ahead(
        weekdays in "|Mon |Tue,Sat |Mon\\.\\.Wed ",
        month in "\\*|[1-9]|3,6\\.\\.9",
        day in "\\*|1?[1-9]|1/5|2\\.\\.9/3",
        hour in "\\*|1?[0-9]|0/6",
        minute in "\\*|[0-5][0-9]|5\\.\\.50/15",
        second in "\\*|[0-5][0-9]|0/20|1\\.25",
        now in 0_u64..4_000_000_000_000_000,
    ) {
        let text = format!("{weekdays}*-{month}-{day} {hour}:{minute}:{second}");
        let calendar: Calendar = text.parse().unwrap();
        prop_assert_eq!(calendar.to_string().parse(), Ok(calendar.clone()));
        let next = calendar.next_utc(now).unwrap();
        prop_assert!(next > now);
        // Nothing lies between: from just before it, it is next.
        prop_assert_eq!(calendar.next_utc(next - 1), Some(next));
    }
}
