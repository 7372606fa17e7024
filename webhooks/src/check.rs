//! What a text from a payload must look like before anything uses it.

use crate::event::{Event, Push, Tag};
use crate::json::Scalar;
use crate::refs;
use crate::{Oid, Rejection};

/// Longest path of a project, in bytes. GitLab's limit is 255 characters a path; groups nest 20 deep.
const PROJECT_MAX: usize = 1_000;
/// Longest login, in bytes. GitHub allows 39 characters, GitLab 255.
const LOGIN_MAX: usize = 255;
/// Longest name of an event, in bytes.
const EVENT_NAME_MAX: usize = 100;
/// What GitHub shows where an account is gone.
const GHOST: &str = "ghost";

/// The path of a project: segments between single slashes, at least two.
pub(crate) fn project(field: Scalar, at: &str) -> Result<String, Rejection> {
    let path = field.text(at)?;
    let tame = path.len() <= PROJECT_MAX && !path.chars().any(char::is_control);
    let whole = path.contains('/') && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if tame && whole {
        Ok(path)
    } else {
        Err(Rejection::malformed(format!("`{at}` in the payload is not the path of a project")))
    }
}

/// A full ref name.
pub(crate) fn full_ref(field: Scalar, at: &str) -> Result<String, Rejection> {
    let name = field.text(at)?;
    refs::check(&name).map_err(|error| Rejection::malformed(format!("`{at}` in the payload: {error}")))?;
    Ok(name)
}

/// The full ref name of a branch that the forge names by its short name.
pub(crate) fn branch(field: Scalar, at: &str) -> Result<String, Rejection> {
    let short = field.text(at)?;
    full_ref(Scalar::Text(format!("{}{short}", refs::BRANCHES)), at)
}

/// The id of a commit that has to be there.
pub(crate) fn oid(field: Scalar, at: &str) -> Result<Oid, Rejection> {
    field.text(at)?.parse().map_err(|error| Rejection::malformed(format!("`{at}` in the payload: {error}")))
}

/// The id of a commit; none where the field is missing, null, or zeros.
pub(crate) fn optional_oid(field: Scalar, at: &str) -> Result<Option<Oid>, Rejection> {
    match field.optional_text(at)? {
        Some(text) => {
            Oid::or_none(&text).map_err(|error| Rejection::malformed(format!("`{at}` in the payload: {error}")))
        }
        None => Ok(None),
    }
}

/// A login name; `ghost` where the account is gone.
pub(crate) fn login(field: Option<Scalar>, at: &str) -> Result<String, Rejection> {
    let Some(login) = field.unwrap_or_default().optional_text(at)? else { return Ok(GHOST.to_owned()) };
    if login.is_empty() || login.len() > LOGIN_MAX || login.chars().any(char::is_control) {
        return Err(Rejection::malformed(format!("`{at}` in the payload is not a login name")));
    }
    Ok(login)
}

/// The name of an event that is not known, which goes into logs and answers.
pub(crate) fn event_name<'t>(name: &'t str, at: &str) -> Result<&'t str, Rejection> {
    let tame = (1..=EVENT_NAME_MAX).contains(&name.len()) && name.bytes().all(|b| matches!(b, b' '..=b'~'));
    if tame { Ok(name) } else { Err(Rejection::malformed(format!("`{at}` is not the name of an event"))) }
}

/// The fields by which both forges tell that a ref moved.
pub(crate) struct Move {
    pub(crate) name: Scalar,
    pub(crate) before: Scalar,
    pub(crate) after: Scalar,
    pub(crate) forced: Scalar,
}

impl Move {
    /// A push or tag event of `project`, by what the ref is.
    pub(crate) fn event(self, project: String) -> Result<Event, Rejection> {
        let ref_name = full_ref(self.name, "ref")?;
        let before = optional_oid(self.before, "before")?;
        let after = after(self.after)?;
        if ref_name.starts_with(refs::BRANCHES) {
            let forced = self.forced.flag("forced")?;
            Ok(Event::Push(Push { project, ref_name, before, after, forced }))
        } else if ref_name.starts_with(refs::TAGS) {
            Ok(Event::Tag(Tag { project, ref_name, before, after }))
        } else {
            let reason = "the ref is neither a branch nor a tag".to_owned();
            Ok(Event::Ignored { name: "push".to_owned(), reason })
        }
    }
}

/// Only zeros say that a ref was deleted: a missing id must not be taken for it.
fn after(field: Scalar) -> Result<Option<Oid>, Rejection> {
    let text = field.text("after")?;
    Oid::or_none(&text).map_err(|error| Rejection::malformed(format!("`after` in the payload: {error}")))
}
