//! Bit rates, in one unit.

/// Bits a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct BitRate(f64);

impl BitRate {
    /// So many bits a second.
    pub const fn from_bits(bits: f64) -> Self {
        Self(bits)
    }

    /// So many bytes a second.
    pub const fn from_bytes(bytes: f64) -> Self {
        Self(bytes * 8.0)
    }

    /// So many kbit/s.
    pub const fn from_kbit(kbit: f64) -> Self {
        Self(kbit * 1e3)
    }

    /// Bits a second.
    pub const fn bits(self) -> f64 {
        self.0
    }

    /// Bytes a second.
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
