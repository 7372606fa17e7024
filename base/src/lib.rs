//! What the server and its doubles share. Each of these is the only one of its kind: nobody else reads the wall clock,
//! draws random numbers for what is stored, spawns tasks, or parses YAML.

pub mod clock;
pub mod lifecycle;
pub mod random;
pub mod yaml;
