//! Driftless keeps Kubernetes clusters true to Git, driven by webhooks.
//!
//! ```text
//! forge ── POST /webhooks/{hook} ─▶ http ─▶ store (delivery + job) ─▶ 202
//!                                             │
//!                                           queue        debounce, one running row per key, leases
//!                                             ▼
//!                                           jobs         push · preview · sync · poll · resync
//!                                             │
//!            source ─▶ render ─▶ reconcile ─▶ plan ─▶ sync ─▶ health
//!                                             │
//!                                           report       outbox ─▶ forge
//! ```
//!
//! The modules stand in the order of that flow.

// Words that every stage uses.
pub mod class;
pub mod command;
pub use driftless_base::clock;
pub mod ids;
pub mod nearest;
pub mod redact;
pub mod secret;

// Around the flow: what starts, stops and watches it.
pub mod api;
pub mod config;
pub use driftless_base::lifecycle;
pub use driftless_base::random;
pub mod telemetry;
pub use driftless_base::yaml;

// In: what comes over the network and the socket.
pub mod http;

// Decide: what apps there are.
pub mod app;
pub mod app_status;
pub mod by_hand;
pub mod queue;
pub mod run_text;

// Work: from a tree to a plan.
pub mod cluster;
pub mod manifest;
pub mod plan;
pub mod reconcile;
pub mod render;
pub mod source;
pub mod sync;
pub mod trace;
pub mod tree;

// The jobs: each key's way through the stages.
pub mod jobs;
pub mod schedule;

// Tell: what a forge shows.
pub mod forge;
pub mod report;

// Remember: what survives a restart.
pub mod store;

// Asked by `check --online`: what of all this is granted.
pub mod inspect;

// Together: the only place that builds the parts.
pub mod serve;

// Try: a real control plane, and what misbehaves on demand.
#[cfg(feature = "dev")]
pub use driftless_dev as dev;

// Attack: seeded inputs for what faces strangers.
#[cfg(test)]
mod docs_tests;
#[cfg(test)]
mod fuzz_tests;

// The command line, which knows all of them.
pub mod cli;
