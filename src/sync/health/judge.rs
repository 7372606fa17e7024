//! When a wait is over, from the states of its objects. Pure.

use super::degree::Health;
use crate::manifest::ObjectKey;
use crate::store::apps::{HEALTH_UNKNOWN, SUSPENDED};
use crate::store::waits::{Touched, Wait, WaitObject, WaitPurpose};

/// What a watch has last told of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub uid: String,
    pub resource_version: String,
    pub health: Health,
    /// Its status tells of which generation it is.
    pub dated: bool,
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
    /// Nothing is left to wait for. What is not simply healthy, in words: suspended objects, and those of which no
    /// health is known.
    Done(Vec<String>),
    /// An object that was dying when it was applied is gone by now.
    Gone(String),
    /// It will not be done by waiting.
    Failed(String),
    /// With what it waits for, worst first.
    Waiting(String),
}

/// How many objects a message names.
const NAMED: usize = 3;

/// `graced`: controllers have had the time for a first look at what was written.
pub(super) fn judge<'a>(wait: &Wait, graced: bool, known: impl Fn(&ObjectKey) -> Known<'a>) -> Standing {
    let state = |object: &WaitObject| match wait.purpose {
        WaitPurpose::Health => health(object, known(&object.key), graced),
        WaitPurpose::Deletion => deletion(object, known(&object.key)),
    };
    let states: Vec<_> = wait.objects.iter().map(|object| (object, state(object))).collect();
    let gone = |object: &&WaitObject| wait.purpose == WaitPurpose::Health && is_gone(object, known(&object.key));
    if let Some(object) = wait.objects.iter().find(gone) {
        return Standing::Gone(format!(
            "{}: it was being deleted while it was applied, and is gone now; it is created again",
            object.key
        ));
    }
    let (settled, mut open): (Vec<_>, Vec<_>) = states.into_iter().partition(|(_, health)| health.is_settled());
    open.sort_by_key(|(_, health)| std::cmp::Reverse(health.badness()));
    let Some((_, worst)) = open.first() else { return Standing::Done(notes(&settled)) };
    let failed = matches!(worst, Health::Failed(_));
    let named: Vec<_> = open.iter().map(|(object, health)| format!("{}: {}", object.key, health.message())).collect();
    let text = some(&named, "; ");
    if failed { Standing::Failed(text) } else { Standing::Waiting(text) }
}

fn notes(settled: &[(&WaitObject, Health)]) -> Vec<String> {
    let of = |what: &str, word: &str| {
        let named = settled.iter().filter(|(_, health)| health.word() == word);
        let named: Vec<_> = named.map(|(object, health)| format!("{} ({})", object.key, health.message())).collect();
        (!named.is_empty()).then(|| format!("{what}{}", some(&named, ", ")))
    };
    [of(SUSPENDED, "suspended"), of(HEALTH_UNKNOWN, "unknown")].into_iter().flatten().collect()
}

fn some(named: &[String], between: &str) -> String {
    let text = named[..named.len().min(NAMED)].join(between);
    match named.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text}{between}and {more} more"),
    }
}

fn is_gone(object: &WaitObject, known: Known<'_>) -> bool {
    let is_another = |seen: &Seen| object.uid.as_ref().is_some_and(|uid| *uid != seen.uid);
    let is_away = match known {
        Known::Missing => true,
        Known::Seen(seen) => is_another(seen),
        Known::Unknown | Known::Hidden(_) => false,
    };
    object.touched == Touched::Dying && is_away
}

fn health(object: &WaitObject, known: Known<'_>, graced: bool) -> Health {
    match known {
        Known::Unknown => unknown(),
        Known::Hidden(why) => hidden(why),
        // Only a Job that has ended is cleaned up.
        Known::Missing if is_job(&object.key) => Health::Healthy,
        Known::Missing => Health::Progressing("it does not exist".to_owned()),
        Known::Seen(seen) if is_older(&seen.resource_version, object.resource_version.as_deref()) => {
            Health::Progressing("the applied object has not been observed yet".to_owned())
        }
        Known::Seen(seen) if object.touched == Touched::Written && !graced => after_a_write(object, seen),
        Known::Seen(seen) => seen.health.clone(),
    }
}

/// Right after a write nothing that is said may only mean that nobody has looked yet, and what is said may be of
/// before.
fn after_a_write(object: &WaitObject, seen: &Seen) -> Health {
    let is_untouched = object.resource_version.as_ref() == Some(&seen.resource_version);
    match &seen.health {
        Health::Unknown(message) => Health::Progressing(message.clone()),
        Health::Healthy if !seen.dated && is_untouched => {
            Health::Progressing("its status may predate the apply and has not changed since".to_owned())
        }
        health => health.clone(),
    }
}

pub(super) fn is_job(key: &ObjectKey) -> bool {
    key.group == "batch" && key.kind == "Job"
}

fn deletion(object: &WaitObject, known: Known<'_>) -> Health {
    match known {
        Known::Unknown => unknown(),
        Known::Hidden(why) => hidden(why),
        Known::Missing => Health::Healthy,
        // Another object has its name by now.
        Known::Seen(seen) if object.uid.as_ref().is_some_and(|uid| *uid != seen.uid) => Health::Healthy,
        Known::Seen(Seen { health: Health::Terminating(message), .. }) => Health::Terminating(message.clone()),
        Known::Seen(_) => Health::Progressing("it still exists".to_owned()),
    }
}

fn unknown() -> Health {
    Health::Progressing("its state is not known yet".to_owned())
}

fn hidden(why: &str) -> Health {
    Health::Progressing(format!("its state is unknown, because it cannot be watched ({why})"))
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
        let key = ObjectKey {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: name.into(),
        };
        WaitObject { key, uid: Some("u".into()), resource_version: Some(version.into()), touched: Touched::Written }
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
        Seen { uid: "u".into(), resource_version: version.into(), health, dated: true }
    }

    #[test]
    fn the_worst_object_is_named_first_and_a_failed_one_ends_the_wait() {
        let names = ["a", "b", "c", "d", "e"];
        let wait = wait(WaitPurpose::Health, names.iter().map(|name| object("Deployment", name, "5")).collect());
        let (ready, slow) =
            (seen("5", Health::Healthy), seen("6", Health::Progressing("1 of 2 replicas are available".into())));
        let broken = seen("7", Health::Failed("it makes no progress".into()));
        assert_eq!(judge(&wait, false, |_| Known::Seen(&ready)), Standing::Done(Vec::new()));
        assert_eq!(
            judge(&wait, false, |key| Known::Seen(if key.name == "c" { &slow } else { &ready })),
            Standing::Waiting("Deployment shop/c: 1 of 2 replicas are available".into())
        );
        let Standing::Failed(text) =
            judge(&wait, false, |key| if key.name == "d" { Known::Seen(&broken) } else { Known::Seen(&slow) })
        else {
            panic!("failed")
        };
        insta::assert_snapshot!(text, @
            "Deployment shop/d: it makes no progress; Deployment shop/a: 1 of 2 replicas are available; Deployment \
             shop/b: 1 of 2 replicas are available; and 2 more");
    }

    #[test]
    fn a_version_before_the_apply_says_nothing() {
        let wait = wait(WaitPurpose::Health, vec![object("Deployment", "a", "10")]);
        let old = seen("9", Health::Healthy);
        assert_eq!(
            judge(&wait, false, |_| Known::Seen(&old)),
            Standing::Waiting("Deployment shop/a: the applied object has not been observed yet".into())
        );
        assert!(matches!(judge(&wait, false, |_| Known::Unknown), Standing::Waiting(_)));
        assert!(matches!(judge(&wait, false, |_| Known::Missing), Standing::Waiting(_)));
    }

    #[test]
    fn a_job_that_is_cleaned_up_has_ended() {
        let wait = wait(WaitPurpose::Health, vec![object("Job", "a", "10")]);
        assert_eq!(judge(&wait, false, |_| Known::Missing), Standing::Done(Vec::new()));
    }

    #[test]
    fn a_deletion_is_done_when_the_object_is_gone_or_is_another() {
        let wait = wait(WaitPurpose::Deletion, vec![object("Deployment", "a", "10")]);
        let dying = seen("11", Health::Terminating("is being deleted since noon".into()));
        assert_eq!(judge(&wait, false, |_| Known::Missing), Standing::Done(Vec::new()));
        assert_eq!(
            judge(&wait, false, |_| Known::Seen(&dying)),
            Standing::Waiting("Deployment shop/a: is being deleted since noon".into())
        );
        let another = Seen { uid: "other".into(), ..dying.clone() };
        assert_eq!(judge(&wait, false, |_| Known::Seen(&another)), Standing::Done(Vec::new()));
        assert!(matches!(judge(&wait, false, |_| Known::Unknown), Standing::Waiting(_)));
    }

    /// H1: nothing said right after a write is no health, and what nobody will ever say is none either.
    #[test]
    fn what_says_nothing_has_a_grace_and_is_unknown_then() {
        let wait = wait(WaitPurpose::Health, vec![object("Widget", "a", "5")]);
        let silent = seen("5", Health::Unknown("its controller has reported no status".into()));
        assert_eq!(
            judge(&wait, false, |_| Known::Seen(&silent)),
            Standing::Waiting("Widget shop/a: its controller has reported no status".into())
        );
        let known =
            Standing::Done(vec!["health unknown: Widget shop/a (its controller has reported no status)".into()]);
        assert_eq!(judge(&wait, true, |_| Known::Seen(&silent)), known);
        // What was not written has been as it is for long.
        let mut unchanged = wait.clone();
        unchanged.objects[0].touched = Touched::Unchanged;
        assert_eq!(judge(&unchanged, false, |_| Known::Seen(&silent)), known);
    }

    /// H1: a status without a generation, which nobody has touched since the apply, is of before the apply.
    #[test]
    fn an_undated_status_is_believed_once_it_was_touched() {
        let wait = wait(WaitPurpose::Health, vec![object("Widget", "a", "5")]);
        let at = |version: &str| Seen { dated: false, ..seen(version, Health::Healthy) };
        let (untouched, touched) = (at("5"), at("6"));
        assert!(matches!(judge(&wait, false, |_| Known::Seen(&untouched)), Standing::Waiting(_)));
        assert_eq!(judge(&wait, false, |_| Known::Seen(&touched)), Standing::Done(Vec::new()));
        assert_eq!(judge(&wait, true, |_| Known::Seen(&untouched)), Standing::Done(Vec::new()));
    }

    /// H8: what stands still on purpose ends a wait, and is named.
    #[test]
    fn what_is_suspended_is_settled_and_named() {
        let wait = wait(WaitPurpose::Health, vec![object("Deployment", "a", "5"), object("Deployment", "b", "5")]);
        let (paused, healthy) = (seen("5", Health::Suspended("it is paused".into())), seen("5", Health::Healthy));
        let of = |key: &ObjectKey| Known::Seen(if key.name == "a" { &paused } else { &healthy });
        assert_eq!(judge(&wait, false, of), Standing::Done(vec!["suspended: Deployment shop/a (it is paused)".into()]));
    }

    /// B14: a dying object is not healthy; once it has gone, the wait is over, and not well.
    #[test]
    fn what_was_dying_when_it_was_applied_is_waited_for_until_it_has_gone() {
        let mut wait = wait(WaitPurpose::Health, vec![object("ConfigMap", "a", "5")]);
        wait.objects[0].touched = Touched::Dying;
        let dying = seen("5", Health::Terminating("is being deleted since noon".into()));
        assert_eq!(
            judge(&wait, true, |_| Known::Seen(&dying)),
            Standing::Waiting("ConfigMap shop/a: is being deleted since noon".into())
        );
        assert!(matches!(judge(&wait, true, |_| Known::Missing), Standing::Gone(_)));
        let another = Seen { uid: "other".into(), ..seen("9", Health::Healthy) };
        assert!(matches!(judge(&wait, true, |_| Known::Seen(&another)), Standing::Gone(_)));
        assert!(matches!(judge(&wait, true, |_| Known::Unknown), Standing::Waiting(_)));
    }
}
