//! The effect of a changed CRD on live objects that do not change themselves. It is only known after the merge, so the
//! pull request names these objects.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::ids::{AppId, RepoName};
use crate::jobs::Context;
use crate::plan::{Action, Change, Plan};
use crate::queue::JobError;
use crate::report::words::{count, join};
use crate::store::inventory::ObjectRow;

/// How many apps are named.
const NAMED: usize = 5;

/// Says of each CRD whose versions or conversion change which custom resources of known apps there are.
pub(in crate::jobs) async fn warn(context: &Context, plan: &mut Plan) -> Result<(), JobError> {
    for at in 0..plan.changes.len() {
        let change = &plan.changes[at];
        let (redefines, converts) = (redefines(change), converts(change));
        if !redefines && !converts {
            continue;
        }
        let Some(after) = &change.after else { continue };
        let text = |pointer: &str| after.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
        let rows = context.store.inventory_of_kind(&plan.cluster, group, kind).await?;
        let mut said = if redefines { remarks(&rows, kind, &served(after), &plan.app.repo) } else { Vec::new() };
        said.extend(converted(&rows, kind, &plan.app.repo).filter(|_| converts));
        plan.changes[at].remarks.extend(said);
    }
    Ok(())
}

/// Whether a CRD that is there gets another schema, or is served in other versions.
fn redefines(change: &Change) -> bool {
    is_new_in(change, "/spec/versions")
}

/// Whether a CRD that is there gets another conversion webhook: no dry run asks that before it is applied.
fn converts(change: &Change) -> bool {
    let strategy = change.after.as_ref().and_then(|crd| crd.pointer("/spec/conversion/strategy"));
    is_new_in(change, "/spec/conversion") && strategy.is_some_and(|strategy| strategy == "Webhook")
}

fn is_new_in(change: &Change, part: &str) -> bool {
    let is_crd = change.key.group == "apiextensions.k8s.io" && change.key.kind == "CustomResourceDefinition";
    let part = |object: &Option<Value>| object.as_ref().and_then(|object| object.pointer(part).cloned());
    is_crd && matches!(change.action, Action::Update | Action::Replace) && part(&change.before) != part(&change.after)
}

fn converted(rows: &[ObjectRow], kind: &str, repo: &RepoName) -> Option<String> {
    let (is, its) = if rows.len() == 1 { ("is", "it is") } else { ("are", "they are") };
    let named = named(&rows.iter().collect::<Vec<_>>(), kind, repo);
    (!rows.is_empty()).then(|| {
        format!(
            "{named} {is} not validated: {its} read through the new conversion webhook only after the merge, and \
             nothing of that kind can be read or synced if it does not answer"
        )
    })
}

fn served(crd: &Value) -> BTreeSet<String> {
    let versions = crd.pointer("/spec/versions").and_then(Value::as_array);
    let served = versions.into_iter().flatten().filter(|version| version["served"] == true);
    served.filter_map(|version| version["name"].as_str().map(str::to_owned)).collect()
}

fn remarks(rows: &[ObjectRow], kind: &str, served: &BTreeSet<String>, repo: &RepoName) -> Vec<String> {
    let mut said = Vec::new();
    if rows.is_empty() {
        return said;
    }
    let (are, all) = (if rows.len() == 1 { "is" } else { "are" }, rows.iter().collect::<Vec<_>>());
    said.push(format!("{} {are} checked against the new schema only after the merge", named(&all, kind, repo)));
    let left: Vec<&ObjectRow> = rows.iter().filter(|row| !served.contains(&row.key.version)).collect();
    if !left.is_empty() {
        let versions: BTreeSet<&str> = left.iter().map(|row| row.key.version.as_str()).collect();
        let versions = versions.into_iter().collect::<Vec<_>>().join(", ");
        let were = if left.len() == 1 { "was" } else { "were" };
        said.push(format!(
            "{} {were} applied in {versions}, which is not served after the merge: these apps cannot be synced until \
             their manifests use a served version",
            named(&left, kind, repo)
        ));
    }
    said
}

/// `3 Wid objects (cr, cr2)`. Apps of other repos are counted.
fn named(rows: &[&ObjectRow], kind: &str, repo: &RepoName) -> String {
    let apps: BTreeSet<&AppId> = rows.iter().map(|row| &row.app).collect();
    let (own, others): (Vec<&AppId>, Vec<&AppId>) = apps.into_iter().partition(|app| app.repo == *repo);
    let mut names: Vec<String> = own.into_iter().map(|app| app.name.clone()).collect();
    let most = if others.is_empty() { NAMED } else { NAMED.max(names.len() + 1) };
    if !others.is_empty() {
        names.push(format!("{} of other repos", count(others.len(), "app")));
    }
    format!("{} ({})", count(rows.len(), &format!("{kind} object")), join(&names, most))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::ObjectKey;
    use crate::store::inventory::ObjectState;

    fn row(app: &str, version: &str, name: &str) -> ObjectRow {
        let object = json!({"apiVersion": format!("wid.io/{version}"), "kind": "Wid", "metadata": {"name": name}});
        ObjectRow {
            key: ObjectKey::of(&object).expect("a name"),
            app: app.parse().expect("an app"),
            state: ObjectState::Applied,
            uid: None,
            manifest_hash: None,
            fingerprint: None,
            resource_version: None,
            applied_revision: None,
            job_done: false,
            held_of: None,
        }
    }

    /// P7+: a conversion webhook that comes is told of, one that goes is not.
    #[test]
    fn a_conversion_webhook_that_comes_counts() {
        let crd = |conversion: &str| {
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "wids.wid.io"}, "spec": {"conversion": {"strategy": conversion}}})
        };
        let change = |before: &str, after: &str| {
            let key = ObjectKey::of(&crd(after)).expect("a name");
            let change = Change::new(key, Action::Update, crate::plan::Verdict::Accepted);
            Change { before: Some(crd(before)), after: Some(crd(after)), ..change }
        };
        assert!(converts(&change("None", "Webhook")));
        assert!(!converts(&change("Webhook", "None")) && !converts(&change("Webhook", "Webhook")));
        assert!(!redefines(&change("None", "Webhook")));
    }

    /// P7+: what a new schema judges is named with its apps; what can be applied no more as well.
    #[test]
    fn live_objects_of_a_kind_that_changes_are_named() {
        let rows = [row("shop/cr", "v1", "a"), row("shop/cr2", "v2", "b"), row("other/x", "v1", "c")];
        let repo = RepoName::new("shop");
        let both = BTreeSet::from(["v1".to_owned(), "v2".to_owned()]);
        let lines = |rows: &[ObjectRow], served: &BTreeSet<String>| remarks(rows, "Wid", served, &repo).join("\n");
        assert_eq!(
            lines(&rows, &both),
            "3 Wid objects (cr, cr2, 1 app of other repos) are checked against the new schema only after the merge"
        );
        assert_eq!(
            lines(&rows[..1], &BTreeSet::from(["v2".to_owned()])),
            "1 Wid object (cr) is checked against the new schema only after the merge\n1 Wid object (cr) was applied \
             in v1, which is not served after the merge: these apps cannot be synced until their manifests use a \
             served version"
        );
        assert_eq!(lines(&[], &both), "");
        assert_eq!(
            converted(&rows[..1], "Wid", &repo).expect("told"),
            "1 Wid object (cr) is not validated: it is read through the new conversion webhook only after the merge, \
             and nothing of that kind can be read or synced if it does not answer"
        );
        assert_eq!(converted(&[], "Wid", &repo), None);
        let crd = json!({"spec": {"versions": [{"name": "v1", "served": false}, {"name": "v2", "served": true}]}});
        assert_eq!(served(&crd), BTreeSet::from(["v2".to_owned()]));
    }
}
