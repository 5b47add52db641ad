//! Small values that several sections share.

use init_api::TimeSpan;
use serde::{Deserialize, Serialize};

/// An amount of a resource, as limits write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Amount {
    /// `infinity`
    Infinity,
    /// So much.
    Absolute(u64),
    /// A share of the machine's whole, in hundredths of a percent.
    Permyriad(u32),
}

impl Amount {
    /// The number when the machine's whole is `total`; `None` for infinity.
    #[must_use]
    pub fn resolve(self, total: u64) -> Option<u64> {
        match self {
            Self::Infinity => None,
            Self::Absolute(amount) => Some(amount),
            Self::Permyriad(share) => {
                let amount = u128::from(total) * u128::from(share) / 10_000;
                Some(u64::try_from(amount).unwrap_or(u64::MAX))
            }
        }
    }
}

/// At most `burst` times within `interval`; no limit when either is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RateLimit {
    /// The window.
    pub interval: TimeSpan,
    /// How often within it.
    pub burst: u32,
}

impl RateLimit {
    /// Whether it limits anything.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        !self.interval.is_zero() && self.burst > 0
    }
}
