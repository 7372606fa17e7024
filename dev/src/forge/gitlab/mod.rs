//! GitLab's dialect: its API, its webhooks, and its rules for statuses.

mod access;
mod api;
mod event;
mod json;
mod letter;
mod pipelines;
mod refusal;
mod reply;
mod stage;
mod system_note;

pub(super) use api::router;
pub(super) use letter::letter;
pub use pipelines::PipelineKind;
pub(super) use pipelines::Pipelines;
pub(super) use refusal::{limited, moved, too_fast, unauthorized};
pub(super) use system_note::system_note;
