//! One macro: an enum whose variants are the words of an interface.

/// A text that is none of the words that were possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what} (possible: {possible})")]
pub struct UnknownWord {
    /// What the word names, e.g. `JobMode`.
    pub what: &'static str,
    /// The text that was given.
    pub text: String,
    /// The words that are possible, separated by commas.
    pub possible: String,
}

/// Declares an enum whose variants are words of an interface: `as_str`, `Display`, `FromStr`,
/// serde and `ALL` come from the one table. Further spellings that are read but never written
/// follow after `|`.
///
/// ```
/// init_api::words! {
///     /// How loud.
///     pub enum Volume { Low = "low", High = "high" | "loud" }
/// }
/// assert_eq!("loud".parse(), Ok(Volume::High));
/// assert_eq!(Volume::High.as_str(), "high");
/// ```
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$variant_meta:meta])* $variant:ident = $text:literal $(| $alias:literal)*),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            ::serde::Serialize, ::serde::Deserialize,
        )]
        $vis enum $name {
            $($(#[$variant_meta])* #[doc = concat!("`", $text, "`")] #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as the interface spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::UnknownWord> {
                match text {
                    $($text $(| $alias)* => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownWord {
                        what: stringify!($name),
                        text: text.to_owned(),
                        possible: [$($text),+].join(", "),
                    }),
                }
            }
        }
    };
}
