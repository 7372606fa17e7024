//! When a wait is over, by what is known of its objects. Pure.

use super::status::Health;
use crate::manifest::ObjectKey;
use crate::store::waits::{Wait, WaitObject, WaitPurpose};

/// What a watch has last told of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub uid: String,
    pub resource_version: String,
    pub health: Health,
}

/// What is known of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known<'a> {
    /// Its kind was not listed yet, or it was not seen since.
    Unknown,
    /// Its kind can't be looked at, and why.
    Hidden(&'a str),
    Missing,
    Seen(&'a Seen),
}

/// How a wait stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Done,
    /// It will not be done by waiting longer.
    Failed(String),
    /// With what it waits for, worst first.
    Waiting(String),
}

/// How many objects a message names.
const NAMED: usize = 3;

pub(super) fn judge<'a>(wait: &Wait, known: impl Fn(&ObjectKey) -> Known<'a>) -> Standing {
    let state = |object: &WaitObject| match wait.purpose {
        WaitPurpose::Health => health(object, known(&object.key)),
        WaitPurpose::Deletion => deletion(object, known(&object.key)),
    };
    let mut open: Vec<_> = wait.objects.iter().map(|object| (object, state(object))).filter(|(_, health)| !health.is_current()).collect();
    open.sort_by_key(|(_, health)| std::cmp::Reverse(health.badness()));
    let Some((_, worst)) = open.first() else { return Standing::Done };
    let failed = matches!(worst, Health::Failed(_));
    let named: Vec<_> = open.iter().take(NAMED).map(|(object, health)| format!("{}: {}", object.key, health.message())).collect();
    let text = match open.len().saturating_sub(NAMED) {
        0 => named.join("; "),
        more => format!("{}; and {more} more", named.join("; ")),
    };
    if failed { Standing::Failed(text) } else { Standing::Waiting(text) }
}

fn health(object: &WaitObject, known: Known<'_>) -> Health {
    match known {
        Known::Unknown => unknown(),
        Known::Hidden(why) => hidden(why),
        // Only a Job that has ended is cleaned up.
        Known::Missing if is_job(&object.key) => Health::Current,
        Known::Missing => Health::InProgress("it is not there".to_owned()),
        Known::Seen(seen) if is_older(&seen.resource_version, object.resource_version.as_deref()) => {
            Health::InProgress("what was applied has not been seen yet".to_owned())
        }
        Known::Seen(seen) => seen.health.clone(),
    }
}

pub(super) fn is_job(key: &ObjectKey) -> bool {
    key.group == "batch" && key.kind == "Job"
}

fn deletion(object: &WaitObject, known: Known<'_>) -> Health {
    match known {
        Known::Unknown => unknown(),
        Known::Hidden(why) => hidden(why),
        Known::Missing => Health::Current,
        // Another object has its name by now.
        Known::Seen(seen) if object.uid.as_ref().is_some_and(|uid| *uid != seen.uid) => Health::Current,
        Known::Seen(Seen { health: Health::Terminating(message), .. }) => Health::Terminating(message.clone()),
        Known::Seen(_) => Health::InProgress("it is still there".to_owned()),
    }
}

fn unknown() -> Health {
    Health::InProgress("nothing is known of it yet".to_owned())
}

fn hidden(why: &str) -> Health {
    Health::InProgress(format!("nothing is known of it, because it can't be watched ({why})"))
}

/// Versions of one object are numbers that grow; where they are not, nothing is held back.
fn is_older(seen: &str, applied: Option<&str>) -> bool {
    match (seen.parse::<u64>(), applied.and_then(|applied| applied.parse::<u64>().ok())) {
        (Ok(seen), Some(applied)) => seen < applied,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ClusterName;
    use crate::store::runs::RunId;

    fn object(kind: &str, name: &str, version: &str) -> WaitObject {
        let group = if kind == "Job" { "batch" } else { "apps" };
        let key =
            ObjectKey { group: group.into(), version: "v1".into(), kind: kind.into(), namespace: Some("shop".into()), name: name.into() };
        WaitObject { key, uid: Some("u".into()), resource_version: Some(version.into()) }
    }

    fn wait(purpose: WaitPurpose, objects: Vec<WaitObject>) -> Wait {
        Wait {
            app: "shop/web".parse().expect("an app"),
            purpose,
            run: RunId::new("1"),
            cluster: ClusterName::new("prod"),
            objects,
            deadline: 0,
        }
    }

    fn seen(version: &str, health: Health) -> Seen {
        Seen { uid: "u".into(), resource_version: version.into(), health }
    }

    #[test]
    fn the_worst_object_is_named_first_and_a_failed_one_ends_the_wait() {
        let names = ["a", "b", "c", "d", "e"];
        let wait = wait(WaitPurpose::Health, names.iter().map(|name| object("Deployment", name, "5")).collect());
        let (ready, slow) = (seen("5", Health::Current), seen("6", Health::InProgress("1 of 2 replicas are available".into())));
        let broken = seen("7", Health::Failed("it makes no progress".into()));
        assert_eq!(judge(&wait, |_| Known::Seen(&ready)), Standing::Done);
        assert_eq!(
            judge(&wait, |key| Known::Seen(if key.name == "c" { &slow } else { &ready })),
            Standing::Waiting("Deployment shop/c: 1 of 2 replicas are available".into())
        );
        let Standing::Failed(text) = judge(&wait, |key| if key.name == "d" { Known::Seen(&broken) } else { Known::Seen(&slow) }) else {
            panic!("failed")
        };
        insta::assert_snapshot!(text, @"Deployment shop/d: it makes no progress; Deployment shop/a: 1 of 2 replicas are available; Deployment shop/b: 1 of 2 replicas are available; and 2 more");
    }

    #[test]
    fn a_version_before_the_apply_says_nothing() {
        let wait = wait(WaitPurpose::Health, vec![object("Deployment", "a", "10")]);
        let old = seen("9", Health::Current);
        assert_eq!(
            judge(&wait, |_| Known::Seen(&old)),
            Standing::Waiting("Deployment shop/a: what was applied has not been seen yet".into())
        );
        assert!(matches!(judge(&wait, |_| Known::Unknown), Standing::Waiting(_)));
        assert!(matches!(judge(&wait, |_| Known::Missing), Standing::Waiting(_)));
    }

    #[test]
    fn a_job_that_is_cleaned_up_has_ended() {
        let wait = wait(WaitPurpose::Health, vec![object("Job", "a", "10")]);
        assert_eq!(judge(&wait, |_| Known::Missing), Standing::Done);
    }

    #[test]
    fn a_deletion_is_done_when_the_object_is_gone_or_is_another() {
        let wait = wait(WaitPurpose::Deletion, vec![object("Deployment", "a", "10")]);
        let dying = seen("11", Health::Terminating("is being deleted since noon".into()));
        assert_eq!(judge(&wait, |_| Known::Missing), Standing::Done);
        assert_eq!(judge(&wait, |_| Known::Seen(&dying)), Standing::Waiting("Deployment shop/a: is being deleted since noon".into()));
        let another = Seen { uid: "other".into(), ..dying.clone() };
        assert_eq!(judge(&wait, |_| Known::Seen(&another)), Standing::Done);
        assert!(matches!(judge(&wait, |_| Known::Unknown), Standing::Waiting(_)));
    }
}
