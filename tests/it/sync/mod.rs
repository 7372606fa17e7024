//! Syncs, prunes, health and drift on the real API server.

mod admission;
mod apply;
mod drift;
mod health;
mod owners;
mod prune;
mod renamed;
mod replace;
mod replace_limits;
mod replace_lost;
mod revoked;
mod siblings;
mod stages;
mod together;
mod unions;
mod word;
mod world;
