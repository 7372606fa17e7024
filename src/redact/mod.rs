//! What must never be shown is taken out here: values of Secrets, in whatever form they stand in other texts.
//!
//! Two rules, both of them lists of what *may* be shown. Of a Secret, also of one within another object, that is its
//! kind, name, namespace, type and the names of its keys ([`states`]). Of every other text about the objects of a plan
//! it is what holds none of the Secrets' values ([`Known::hide`]). The type [`Shown`] is a text that came out of here:
//! reports and stored texts take it, so that one who forgets the rule does not compile.
//!
//! Pure.

mod documents;
mod foreign;
mod forms;
mod kind;
mod known;
mod nested;
mod pieces;
mod search;
mod secret;
mod shown;
mod squeezed;
mod visible;

pub use foreign::{may_hold_secrets, rebuilt, rebuilt_warnings};
pub use kind::is_secret_kind;
pub use known::Known;
pub use nested::holds_secrets;
pub use secret::states;
pub use shown::Shown;
pub use visible::{push_visible, visible};

/// Stands where something is not shown.
pub const HIDDEN: &str = "(hidden)";
pub const OLD: &str = "(hidden, old value)";
pub const NEW: &str = "(hidden, new value)";
