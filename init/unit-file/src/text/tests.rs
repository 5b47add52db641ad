//! The grammar: the facts of systemd.syntax(7) and the PARSE cases.

use proptest::prelude::*;

use super::*;

fn values(text: &str, key: &str) -> Vec<String> {
    UnitText::parse(text.as_bytes())
        .values("S", key)
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_backslash_at_the_end_joins_lines_with_one_space_and_comments_inside_vanish() {
    let text = "[S]\nE=/opt/t/args one\\\ntwo \\\n# comment in the middle\n; another\n  three\n";
    assert_eq!(values(text, "E"), ["/opt/t/args one two    three"]);
    assert_eq!(values("[S]\nA=b\\\\\nC=d\n", "A"), ["b\\\\"]);
    assert_eq!(values("[S]\nA=b \\", "A"), ["b"]);
    assert_eq!(values("[S]\nA=b\\\n\nB=c", "B"), ["c"]);
}

#[test]
fn blanks_round_the_equals_sign_and_at_the_ends_are_dropped() {
    assert_eq!(values("[S]\n  A =  b  c  \t\n", "A"), ["b  c"]);
    assert_eq!(
        values("[S]\nA=b=c # not a comment", "A"),
        ["b=c # not a comment"]
    );
    assert_eq!(values("[S]\nA=", "A"), [""]);
}

#[test]
fn sections_repeat_and_interleave_and_names_are_case_sensitive() {
    let text = "[S]\nA=1\n[T]\nA=x\n[S]\nA=2\n[s]\nA=3\n";
    assert_eq!(values(text, "A"), ["1", "2"]);
}

#[test]
fn crlf_a_byte_order_mark_and_a_missing_last_newline_are_fine() {
    assert_eq!(values("\u{feff}[S]\r\nA=b\r\nC=d", "A"), ["b"]);
    assert_eq!(values("\u{feff}[S]\r\nA=b\r\nC=d", "C"), ["d"]);
    assert_eq!(values("[S]\r\nA=b \\\r\n c\r\n", "A"), ["b   c"]);
}

#[test]
fn what_is_no_grammar_is_reported_with_its_place_and_the_rest_is_read() {
    let text = UnitText::parse(b"Lost=1\n[S]\nnothing\n =x\nA=\xff\nB=2\n");
    let places: Vec<_> = text
        .problems
        .iter()
        .map(|p| (p.line, p.column, p.fatal))
        .collect();
    assert_eq!(
        places,
        [(1, 1, false), (3, 1, false), (4, 2, false), (5, 1, false)]
    );
    assert_eq!(text.values("S", "B").collect::<Vec<_>>(), ["2"]);
    assert!(UnitText::parse(b"[S\nA=1\n").problems[0].fatal);
}

proptest! {
    #[test]
    fn printing_and_reading_gives_the_same_sections(
        sections in prop::collection::vec(
            ("[A-Za-z][A-Za-z-]{0,8}", prop::collection::vec(
                ("[A-Za-z][A-Za-z0-9]{0,8}", "([a-z\"'=#;$%/é][a-z\"'=#; ]{0,10}[a-z\"'=#;])?"), 0..4)),
            0..4)
    ) {
        let mut text = UnitText::default();
        for (name, assignments) in sections {
            text.sections.push(Section { name: name.clone(), line: 0, assignments: Vec::new() });
            for (key, value) in assignments {
                text.push(&name, &key, &value);
            }
        }
        let strip = |text: &UnitText| -> Vec<(String, Vec<(String, String)>)> {
            text.sections.iter().map(|s| (s.name.clone(), s.assignments.iter()
                .map(|a| (a.key.clone(), a.value.clone())).collect())).collect()
        };
        let again = UnitText::parse(text.to_string().as_bytes());
        prop_assert_eq!(strip(&again), strip(&text));
        prop_assert!(again.problems.is_empty());
        prop_assert_eq!(again.to_string(), text.to_string());
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = UnitText::parse(&bytes);
    }
}
