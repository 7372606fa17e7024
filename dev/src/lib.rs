//! What `driftless dev` and the tests run on: a real Kubernetes control plane as a child process, and a proxy
//! before it that misbehaves on demand. The only module that starts those processes.

pub mod access;
mod assets;
mod bundled;
pub mod control_plane;
pub mod fault_proxy;
pub mod forge;
pub mod git_http;
mod leash;
mod node;
mod program;
pub mod sample;
pub mod tls;

pub use access::Access;
pub use control_plane::ControlPlane;
pub use fault_proxy::{Fault, FaultProxy, Rule};
pub use program::{ControlPlaneError, ControlPlaneOptions, Programs};
