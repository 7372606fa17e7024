//! The outcome of a merged pull request: the first line of its comment, once its apps are synced.
//!
//! The end of a sync is stored as one small row. A debounced job brings the rows into the comments: a merge may change
//! a thousand apps, and its comment lists all of them. If the applied changes differ from the reviewed ones, the
//! comment says so.

pub(in crate::jobs) mod approved;
pub(in crate::jobs) mod at_sync;
pub(in crate::jobs) mod by_push;
pub(in crate::jobs) mod end;
pub(in crate::jobs) mod known;
pub(in crate::jobs) mod merge;
pub(in crate::jobs) mod reviewed;
pub(in crate::jobs) mod run;
pub(in crate::jobs) mod taken_back;
pub(in crate::jobs) mod told;
pub(in crate::jobs) mod unseen;

pub(in crate::jobs) use approved::Approved;
pub(in crate::jobs) use at_sync::{at_sync, shown_steps};
pub(in crate::jobs) use by_push::{merged_by_message, merged_by_push};
pub(in crate::jobs) use end::{ended, replaced, rolled_back, stands, stands_elsewhere};
pub(in crate::jobs) use known::as_it_is;
pub(in crate::jobs) use merge::{ToldBy, concerns, merged};
pub(in crate::jobs) use run::run;
pub(in crate::jobs) use told::{events, heard_after, report_of};
