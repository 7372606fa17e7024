//! The webhook endpoint over a real listener, spoken to in bytes: whatever comes is answered, and nothing that is
//! answered with 202 is lost.

mod bounds;
mod crowd;
mod operations;
mod payloads;
mod server;
