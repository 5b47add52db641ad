//! From the text of one assignment to the field that it fills: the parsers that the table of
//! directives names.
//!
//! A parser leaves the field alone when the text is no value of it: the earlier or default value
//! stays and the refusal becomes a diagnostic.

use std::{fmt::Display, str::FromStr};

use crate::{Specifiers, words};

mod amounts;
mod lists;
mod names;
mod paths;

pub(crate) use amounts::*;
pub(crate) use lists::*;
pub(crate) use names::*;
pub(crate) use paths::*;

/// One assignment on its way into a field.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    /// The directive.
    pub(crate) key: &'a str,
    /// The value.
    pub(crate) text: &'a str,
    /// Of the unit.
    pub(crate) specifiers: Specifiers<'a>,
    /// Findings that did not stop the assignment.
    pub(crate) warnings: Vec<String>,
}

/// Why an assignment does not count.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is ignored.
    Ignored(String),
    /// The unit cannot be used.
    Fatal(String),
}

pub(crate) type Outcome = Result<(), Refusal>;

impl Input<'_> {
    pub(crate) fn warn(&mut self, text: impl Display) {
        self.warnings.push(format!("{}= {text}", self.key));
    }

    /// A refusal that says what the directive wants.
    pub(crate) fn wants(&self, what: impl Display) -> Refusal {
        Refusal::Ignored(format!(
            "{}= wants {what}, got {:?}; it is ignored",
            self.key, self.text
        ))
    }

    pub(crate) fn fatal(&self, what: impl Display) -> Refusal {
        Refusal::Fatal(format!("{}= {what}", self.key))
    }

    /// The text with specifiers expanded.
    pub(crate) fn expand(&self, text: &str) -> Result<String, Refusal> {
        self.specifiers
            .expand(text)
            .map_err(|error| Refusal::Ignored(format!("{}= {error}; it is ignored", self.key)))
    }

    /// The words of the value, unquoted; specifiers expanded; those that do not expand are left
    /// out with a warning.
    pub(crate) fn words(&mut self) -> Result<Vec<String>, Refusal> {
        let split = words::split(self.text, words::Escapes::C)
            .map_err(|error| Refusal::Ignored(format!("{}= {error}; it is ignored", self.key)))?;
        let mut expanded = Vec::with_capacity(split.len());
        for word in split {
            match self.specifiers.expand(&word.text) {
                Ok(word) => expanded.push(word),
                Err(error) => self.warn(format_args!("{error}; {:?} is left out", word.text)),
            }
        }
        Ok(expanded)
    }
}

/// A boolean: 1/yes/y/true/t/on, 0/no/n/false/f/off, in any case.
pub(crate) fn boolean_of(text: &str) -> Option<bool> {
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    if ["1", "yes", "y", "true", "t", "on"].iter().any(is) {
        Some(true)
    } else if ["0", "no", "n", "false", "f", "off"].iter().any(is) {
        Some(false)
    } else {
        None
    }
}

pub(crate) fn boolean(field: &mut bool, input: &mut Input<'_>) -> Outcome {
    *field = boolean_of(input.text).ok_or_else(|| input.wants("yes or no"))?;
    Ok(())
}

/// A boolean that has further words in newer versions, all of which mean at least yes.
pub(crate) fn boolean_or_more(field: &mut bool, input: &mut Input<'_>) -> Outcome {
    *field = boolean_of(input.text).unwrap_or(!input.text.is_empty());
    Ok(())
}

/// One of the words of an enum.
pub(crate) fn word<T>(field: &mut T, input: &mut Input<'_>) -> Outcome
where
    T: FromStr<Err = init_api::UnknownWord>,
{
    *field = input.text.parse().map_err(|error: init_api::UnknownWord| {
        input.wants(format_args!("one of {}", error.possible))
    })?;
    Ok(())
}

/// One of the words of an enum whose first two are no and yes.
pub(crate) fn word_or_boolean<T>(field: &mut T, input: &mut Input<'_>) -> Outcome
where
    T: FromStr<Err = init_api::UnknownWord>,
{
    let text = match boolean_of(input.text) {
        Some(true) => "yes",
        Some(false) => "no",
        None => input.text,
    };
    *field = text.parse().map_err(|error: init_api::UnknownWord| {
        input.wants(format_args!("one of {}", error.possible))
    })?;
    Ok(())
}

/// One of the words of an enum; nothing takes it back.
pub(crate) fn optional_word<T>(field: &mut Option<T>, input: &mut Input<'_>) -> Outcome
where
    T: FromStr<Err = init_api::UnknownWord>,
{
    if input.text.is_empty() {
        *field = None;
        return Ok(());
    }
    *field = Some(input.text.parse().map_err(|error: init_api::UnknownWord| {
        input.wants(format_args!("one of {}", error.possible))
    })?);
    Ok(())
}

pub(crate) fn number<T: FromStr>(field: &mut T, input: &mut Input<'_>) -> Outcome {
    *field = input.text.parse().map_err(|_| input.wants("a number"))?;
    Ok(())
}

pub(crate) fn optional_number<T: FromStr>(field: &mut Option<T>, input: &mut Input<'_>) -> Outcome {
    *field = if input.text.is_empty() {
        None
    } else {
        Some(input.text.parse().map_err(|_| input.wants("a number"))?)
    };
    Ok(())
}

/// A number within bounds; nothing takes it back.
pub(crate) fn bounded<const LOW: i32, const HIGH: i32>(
    field: &mut Option<i32>,
    input: &mut Input<'_>,
) -> Outcome {
    if input.text.is_empty() {
        *field = None;
        return Ok(());
    }
    let number = input
        .text
        .parse()
        .ok()
        .filter(|number| (LOW..=HIGH).contains(number));
    *field = Some(number.ok_or_else(|| input.wants(format_args!("{LOW} to {HIGH}")))?);
    Ok(())
}

/// Text with specifiers.
pub(crate) fn text(field: &mut String, input: &mut Input<'_>) -> Outcome {
    *field = input.expand(input.text)?;
    Ok(())
}

/// Text with specifiers; nothing takes it back.
pub(crate) fn optional_text(field: &mut Option<String>, input: &mut Input<'_>) -> Outcome {
    *field = Some(input.expand(input.text)?).filter(|text| !text.is_empty());
    Ok(())
}

/// Text as written.
pub(crate) fn verbatim(field: &mut Option<String>, input: &mut Input<'_>) -> Outcome {
    *field = Some(input.text.to_owned()).filter(|text| !text.is_empty());
    Ok(())
}

/// An octal file mode.
pub(crate) fn mode(field: &mut u32, input: &mut Input<'_>) -> Outcome {
    *field = u32::from_str_radix(input.text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| input.wants("an octal mode, e.g. 0755"))?;
    Ok(())
}

pub(crate) fn signal(field: &mut init_api::Signal, input: &mut Input<'_>) -> Outcome {
    *field = input
        .text
        .parse()
        .map_err(|_| input.wants("a signal, e.g. SIGTERM"))?;
    Ok(())
}

pub(crate) fn optional_signal(
    field: &mut Option<init_api::Signal>,
    input: &mut Input<'_>,
) -> Outcome {
    *field = if input.text.is_empty() {
        None
    } else {
        Some(
            input
                .text
                .parse()
                .map_err(|_| input.wants("a signal, e.g. SIGTERM"))?,
        )
    };
    Ok(())
}
