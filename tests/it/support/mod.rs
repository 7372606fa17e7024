//! What the tests of several areas need.

pub mod cluster;
pub mod deployed;
pub mod git;
pub mod tool;
