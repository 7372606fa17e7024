//! Drift detection: one metadata list per kind for a whole cluster, and no request per app.

mod compare;
mod fields;
mod fingerprint;
mod kinds;
mod look;

#[cfg(test)]
mod compare_tests;
#[cfg(test)]
mod tests;

pub use compare::{Differs, Drifted};
pub use fields::changed_fields;
pub use fingerprint::{Actor, fingerprint, who_changed};
pub use look::{Drift, accept, look};
