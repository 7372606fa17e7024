//! What the server and its doubles share. Each of these is the only one of its kind: nobody else reads the wall clock,
//! spawns tasks, or parses YAML.

pub mod clock;
pub mod lifecycle;
pub mod yaml;
