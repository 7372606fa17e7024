//! The integration tests: one binary, because each costs half a minute to link, with a module per area.

#![allow(
    clippy::needless_pass_by_value,
    clippy::unused_self,
    reason = "a story reads better with plain values and one teller"
)]
#![allow(clippy::print_stderr, reason = "figures that a test measures are shown, not asserted")]

mod check;
mod cli;
mod cluster;
mod control_plane;
mod deploy;
mod dev;
mod fault_proxy;
mod faults;
mod forge;
mod forges;
mod github_contract;
mod gitlab_contract;
mod gitlab_double;
mod layering;
mod outbox;
mod page;
mod plan;
mod render;
mod source;
mod story;
mod support;
mod survive;
mod sync;
mod webhook;
