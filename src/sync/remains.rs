//! The changes that an apply did not make, by the API server's response. Pure.

use serde_json::Value;

use super::drift::changed_fields;
use crate::lifecycle::beside;
use crate::plan::{Change, overridden_fields, stays_beside};

/// What of one object is not as its plan has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// Fields that the plan changes and that are as they were.
    pub unchanged: Vec<String>,
    /// What others have added in the place of what was ours, and what stays there; what the cluster has taken off, and
    /// what it sets otherwise than Git: a sentence each.
    pub added: Vec<String>,
}

impl Remains {
    /// `applied` is what the server has answered to the apply of `desired`.
    pub(super) fn of(change: &Change, desired: &Value, applied: &Value) -> Self {
        let otherwise = overridden_fields(desired, applied);
        let (Some(before), Some(after)) = (&change.before, &change.after) else {
            return Self { unchanged: Vec::new(), added: otherwise };
        };
        let done = changed_fields(before, applied);
        let is_done = |field: &String| done.iter().any(|done| is_within(field, done) || is_within(done, field));
        let unchanged = changed_fields(before, after).into_iter().filter(|field| !is_done(field)).collect();
        Self { unchanged, added: [beside(|| stays_beside(before, applied, desired)), otherwise].concat() }
    }

    pub fn is_empty(&self) -> bool {
        self.unchanged.is_empty() && self.added.is_empty()
    }
}

/// Whether a field is another one or a part of it.
fn is_within(field: &str, other: &str) -> bool {
    field.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::ObjectKey;
    use crate::plan::{Action, Verdict};

    /// B24+: what the apply has not changed was not healed, whatever the plan said.
    #[test]
    fn what_is_as_it_was_is_not_healed() {
        let key = ObjectKey {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        };
        let web = |replicas: u32, paused: bool| json!({"spec": {"replicas": replicas, "paused": paused}});
        let mut change = Change::new(key, Action::Update, Verdict::Accepted);
        (change.before, change.after) = (Some(web(5, true)), Some(web(3, false)));
        let of = |applied: Value| Remains::of(&change, &web(3, false), &applied).unchanged;
        assert!(of(web(3, false)).is_empty());
        assert_eq!(of(web(5, false)), ["spec.replicas"]);
        assert!(of(web(4, false)).is_empty(), "somebody has set it since");
        assert!(is_within("spec.list[0].a", "spec.list") && !is_within("spec.lists", "spec.list"));
    }
}
