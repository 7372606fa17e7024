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
        // Bytes 6 and 8 of a UUID hold its version and variant, so they are not random.
        let uuid = Uuid::new_v4().into_bytes();
        std::array::from_fn(|at| if at < 6 { uuid[at] } else { uuid[at + 3] })
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
