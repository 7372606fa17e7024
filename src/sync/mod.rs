//! Makes a cluster what a plan says: stages, claims, applies, prunes, health and drift.

pub mod health;
