//! The whole loop, told as stories: what people do at a forge, and what they then see there and in the cluster.

mod manifests;
mod push;
