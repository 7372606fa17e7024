//! `comment:REPO#NUMBER/ID`: carries out the commands of a comment, and answers them.
//!
//! A delivery says only that there is a comment. It is read again at the forge, which is also asked what its author may
//! do now. Each command is written down before it is carried out, so that no restart does it twice.

mod approve;
mod carry_out;
mod checked;
pub(in crate::jobs) mod given;
mod shown;

pub(in crate::jobs) use carry_out::run;
