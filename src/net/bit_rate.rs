//! Bit rates, with conversions between units.

/// A bit rate in bit/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct BitRate(f64);

impl BitRate {
    /// From bit/s.
    pub const fn from_bits(bits: f64) -> Self {
        Self(bits)
    }

    /// From bytes a second.
    pub const fn from_bytes(bytes: f64) -> Self {
        Self(bytes * 8.0)
    }

    /// From kbit/s.
    pub const fn from_kbit(kbit: f64) -> Self {
        Self(kbit * 1e3)
    }

    /// In bit/s.
    pub const fn bits(self) -> f64 {
        self.0
    }

    /// In bytes a second.
    pub const fn bytes(self) -> f64 {
        self.0 / 8.0
    }

    /// In kbit/s.
    pub const fn kbit(self) -> f64 {
        self.0 / 1e3
    }

    /// In Mbit/s.
    pub const fn mbit(self) -> f64 {
        self.0 / 1e6
    }
}
