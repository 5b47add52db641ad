//! A hardware address, read in the forms that the original reads.

use std::fmt;
use std::str::FromStr;

/// Six bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// A text that is no hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no hardware address such as 02:00:00:00:00:01")]
pub struct NotAMac(String);

impl Mac {
    /// An address that nobody was given by a maker: locally administered, not multicast, the rest
    /// from dice.
    #[must_use]
    pub fn local(dice: [u8; 6]) -> Mac {
        let mut bytes = dice;
        bytes[0] = bytes[0] & 0xfc | 0x02;
        Mac(bytes)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = NotAMac;

    /// `02:00:00:00:00:97`, `02-00-00-00-00-97` or `0200.0000.0097` (net.ParseMAC of Go).
    fn from_str(text: &str) -> Result<Mac, NotAMac> {
        let (separator, digits) = match text.find([':', '-', '.']).map(|at| &text[at..=at]) {
            Some(".") => ('.', 4),
            Some("-") => ('-', 2),
            _ => (':', 2),
        };
        let parts: Vec<&str> = text.split(separator).collect();
        let hex: String = parts.concat();
        let fits = parts.iter().all(|part| part.len() == digits) && hex.len() == 12;
        if !fits || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAMac(text.to_owned()));
        }
        let bits = u64::from_str_radix(&hex, 16).map_err(|_| NotAMac(text.to_owned()))?;
        let [_, _, bytes @ ..] = bits.to_be_bytes();
        Ok(Mac(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::Mac;

    #[test]
    fn three_forms_are_read_and_one_is_written() {
        for text in ["02:00:00:00:0a:97", "02-00-00-00-0A-97", "0200.0000.0a97"] {
            assert_eq!(
                text.parse::<Mac>().unwrap().to_string(),
                "02:00:00:00:0a:97"
            );
        }
        for text in [
            "",
            "02:00",
            "02:00:00:00:00:0g",
            "0200:0000:0097",
            "02:00:00:00:00:00:00:00",
            "2:0:0:0:0:1",
            "é2:00:00:00:00:1",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_by_dice_is_local_and_of_one_host() {
        assert_eq!(Mac::local([0xff; 6]).to_string(), "fe:ff:ff:ff:ff:ff");
        assert_eq!(Mac::local([0; 6]).to_string(), "02:00:00:00:00:00");
    }
}
