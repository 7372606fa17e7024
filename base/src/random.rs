//! The only place that draws random numbers for what is stored or shown, so that tests can have their own.

use uuid::Uuid;

pub trait Random: Send + Sync {
    /// Eight bytes that nobody can foretell.
    fn bytes(&self) -> [u8; 8];
}

/// The machine's random numbers.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn bytes(&self) -> [u8; 8] {
        // Two of its bytes have a version and a variant in them.
        let [a, b, c, d, e, f, _, _, _, g, h, ..] = Uuid::new_v4().into_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

/// The same bytes each time.
#[derive(Debug, Clone, Copy)]
pub struct FixedRandom(pub [u8; 8]);

impl Random for FixedRandom {
    fn bytes(&self) -> [u8; 8] {
        self.0
    }
}
