//! The environment of the loop benchmark.

pub mod changes;
pub mod figures;
pub mod floor;
pub mod repos;
pub mod server;
pub mod world;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
