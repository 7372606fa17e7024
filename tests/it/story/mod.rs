//! The whole loop, told as stories: what people do at a forge, and what they then see there and in the cluster.

mod bases;
mod burst;
mod by_hand;
mod claims;
mod clusters;
mod deletes;
mod denied;
mod drift;
mod gates;
mod held_back;
mod lost;
pub mod manifests;
mod marks;
mod moves;
mod outcomes;
mod per_app;
mod policies;
mod pull;
pub mod push;
mod reads;
mod reviewed;
mod revoked;
mod samples;
mod secrets;
mod states;
mod upgrade;
mod word;
