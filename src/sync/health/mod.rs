//! Whether what was applied is what it should be: the rules, and the waiting that holds no worker.

mod pod;
pub mod status;
mod workload;

#[cfg(test)]
mod tests;

pub use status::Health;
