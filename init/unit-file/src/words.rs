//! Splitting text into words: quotes and escapes as unit files have them.

/// What a backslash means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// C escapes; unknown ones stay as written.
    C,
    /// It takes the meaning from the next character and disappears.
    Plain,
    /// Nothing: it stays.
    Kept,
}

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Without quotes and escapes.
    pub text: String,
    /// Whether an unknown escape was kept as written.
    pub relaxed: bool,
}

/// A quote without its partner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the quote {quote} in {text:?} is not closed")]
pub struct WordError {
    /// Which one.
    pub quote: char,
    /// In what.
    pub text: String,
}

/// The first word and what follows it; `None` when there is none.
///
/// # Errors
/// When a quote is not closed.
pub fn next(text: &str, escapes: Escapes) -> Result<Option<(Word, &str)>, WordError> {
    let text = text.trim_start_matches(is_blank);
    if text.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let mut relaxed = false;
    let mut quote = None;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        match (quote, character) {
            (None, _) if is_blank(character) => break,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (_, '\\') if escapes != Escapes::Kept => {
                rest = escape(after, escapes, &mut bytes, &mut relaxed);
                continue;
            }
            _ => push(&mut bytes, character),
        }
        rest = after;
    }
    if let Some(quote) = quote {
        return Err(WordError {
            quote,
            text: text.to_owned(),
        });
    }
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Some((
        Word { text, relaxed },
        rest.trim_start_matches(is_blank),
    )))
}

/// All words.
///
/// # Errors
/// When a quote is not closed.
pub fn split(text: &str, escapes: Escapes) -> Result<Vec<Word>, WordError> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some((word, after)) = next(rest, escapes)? {
        words.push(word);
        rest = after;
    }
    Ok(words)
}

/// All words of a variable's value: quotes count, an open quote ends with the text.
#[must_use]
pub fn split_relaxed(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while !rest.is_empty() {
        match next(rest, Escapes::Plain) {
            Ok(Some((word, after))) => {
                words.push(word.text);
                rest = after;
            }
            Ok(None) => break,
            Err(WordError { quote, .. }) => {
                // One more quote closes it, whatever came before.
                if let Ok(Some((word, _))) = next(&format!("{rest}{quote}"), Escapes::Plain) {
                    words.push(word.text);
                }
                break;
            }
        }
    }
    words
}

/// A word in quotes when it needs them, such that [`next`] with C escapes gives it back.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| !is_blank(c) && !c.is_control() && !"\"'\\;".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in word.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            _ if character.is_control() => {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    quoted.push_str(&format!("\\x{byte:02x}"));
                }
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

pub(crate) const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

fn push(bytes: &mut Vec<u8>, character: char) {
    let mut buffer = [0; 4];
    bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
}

/// What a backslash and the text after it stand for; gives what follows.
fn escape<'a>(
    after: &'a str,
    escapes: Escapes,
    bytes: &mut Vec<u8>,
    relaxed: &mut bool,
) -> &'a str {
    let Some(character) = after.chars().next() else {
        // A backslash at the very end stays.
        bytes.push(b'\\');
        return after;
    };
    if escapes == Escapes::Plain {
        push(bytes, character);
        return &after[character.len_utf8()..];
    }
    if let Some((length, decoded)) = c_escape(after) {
        bytes.extend_from_slice(&decoded);
        return &after[length..];
    }
    *relaxed = true;
    bytes.push(b'\\');
    push(bytes, character);
    &after[character.len_utf8()..]
}

/// The C escape at the start of the text (after the backslash): its length and its bytes.
pub(crate) fn c_escape(text: &str) -> Option<(usize, Vec<u8>)> {
    let one = |byte: u8| Some((1, vec![byte]));
    match text.bytes().next()? {
        b'a' => one(7),
        b'b' => one(8),
        b'f' => one(12),
        b'n' => one(b'\n'),
        b'r' => one(b'\r'),
        b't' => one(b'\t'),
        b'v' => one(11),
        b's' => one(b' '),
        byte @ (b'\\' | b'"' | b'\'') => one(byte),
        b'x' => byte_of(text.get(1..3)?, 16).map(|byte| (3, vec![byte])),
        b'0'..=b'7' => byte_of(text.get(..3)?, 8).map(|byte| (3, vec![byte])),
        b'u' => character_of(text.get(1..5)?).map(|bytes| (5, bytes)),
        b'U' => character_of(text.get(1..9)?).map(|bytes| (9, bytes)),
        _ => None,
    }
}

/// A byte other than zero.
fn byte_of(digits: &str, radix: u32) -> Option<u8> {
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    u8::from_str_radix(digits, radix)
        .ok()
        .filter(|byte| *byte != 0)
}

fn character_of(digits: &str) -> Option<Vec<u8>> {
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    (character != '\0').then(|| character.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        split(text, Escapes::C)
            .unwrap()
            .into_iter()
            .map(|word| word.text)
            .collect()
    }

    #[test]
    fn quotes_group_and_glue_and_escapes_are_those_of_c() {
        assert_eq!(
            words(r#"a "b c" 'd  e' f"g h"i"#),
            ["a", "b c", "d  e", "fg hi"]
        );
        assert_eq!(words(r#""" ''"#), ["", ""]);
        assert_eq!(
            words(r"\x41\101\u0041\U00000041 \s \t"),
            ["AAAA", " ", "\t"]
        );
        assert_eq!(words(r"\xc3\xa4"), ["ä"]);
        assert_eq!(words("'it\\'s'"), ["it's"]);
        assert_eq!(words("  \t "), Vec::<String>::new());
    }

    #[test]
    fn unknown_escapes_stay_with_their_backslash() {
        for text in [r"a\ b", r"\z", r"\x0", r"\000", r"\xzz", r"\u12", r"\400"] {
            let all = split(text, Escapes::C).unwrap();
            assert_eq!(all.len(), 1, "{text}");
            assert_eq!(all[0].text, text);
            assert!(all[0].relaxed, "{text}");
        }
        assert_eq!(words(r"end\"), [r"end\"]);
    }

    #[test]
    fn an_open_quote_is_an_error_in_files_and_none_in_variables() {
        split("a \"b", Escapes::C).unwrap_err();
        split("a 'b\\'", Escapes::C).unwrap_err();
        assert_eq!(split_relaxed("a \"b c"), ["a", "b c"]);
        assert_eq!(split_relaxed(r"a\ b 'c d'"), ["a b", "c d"]);
    }

    proptest! {
        #[test]
        fn a_quoted_word_is_read_back(word in "\\PC{0,30}|[ \\t\\n\"'\\\\;a]{0,12}") {
            let line = format!("{} {}", quote(&word), quote("next"));
            prop_assert_eq!(words(&line), vec![word, "next".to_owned()]);
        }

        #[test]
        fn splitting_never_panics(text in "[ \"'\\\\xuU0-9a-fäß$;]{0,30}") {
            for escapes in [Escapes::C, Escapes::Plain, Escapes::Kept] {
                let _ = split(&text, escapes);
            }
            let _ = split_relaxed(&text);
        }
    }
}
