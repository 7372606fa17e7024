//! What the tests of several areas need.

pub mod browser;
pub mod cluster;
pub mod deployed;
pub mod forge;
pub mod git;
pub mod inbox;
pub mod logs;
pub mod others;
pub mod policy;
pub mod prism;
pub mod receiver;
pub mod tool;
pub mod world;
