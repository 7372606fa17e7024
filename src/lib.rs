//! Driftless

pub mod manifest;
pub mod trace;
pub mod tree;
