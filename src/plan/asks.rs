//! The annotations and labels of other tools that ask to keep an object, or to confirm its deletion. Pure.
//!
//! - <https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource>
//! - <https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#no-prune-resources>
//! - <https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-garbage-collection-of-resources>
//! - <https://carvel.dev/kapp/docs/latest/apply/#kappk14siodelete-strategy>

use serde_json::Value;

use super::change::{Action, Change, RefusedBy, Verdict};
use super::contents::Found;
use crate::manifest::ObjectId;

/// Flux reads it as an annotation and as a label.
const FLUX: &str = "kustomize.toolkit.fluxcd.io/prune";

/// The mark by which an object asks to stay when nobody renders it any more.
pub fn has_keep_policy(object: &Value) -> Option<&'static str> {
    let annotation = |name: &str| entry(object, "annotations", name);
    let is_disabled = |value: &str| value.eq_ignore_ascii_case("disabled");
    if annotation("helm.sh/resource-policy").eq_ignore_ascii_case("keep") {
        Some("annotation `helm.sh/resource-policy: keep`")
    } else if has_option(object, "Prune=false") {
        Some("annotation `argocd.argoproj.io/sync-options: Prune=false`")
    } else if is_disabled(annotation(FLUX)) {
        Some("annotation `kustomize.toolkit.fluxcd.io/prune: disabled`")
    } else if is_disabled(entry(object, "labels", FLUX)) {
        Some("label `kustomize.toolkit.fluxcd.io/prune: disabled`")
    } else if annotation("kapp.k14s.io/delete-strategy") == "orphan" {
        Some("annotation `kapp.k14s.io/delete-strategy: orphan`")
    } else {
        None
    }
}

/// The mark by which an object asks to stay when its app is removed.
pub fn asks_to_outlive(object: &Value) -> Option<&'static str> {
    has_keep_policy(object).or_else(|| {
        has_option(object, "Delete=false").then_some("annotation `argocd.argoproj.io/sync-options: Delete=false`")
    })
}

/// The mark by which an object asks to be deleted only once that is confirmed.
pub fn asks_for_confirmation(object: &Value) -> Option<&'static str> {
    if has_option(object, "Prune=confirm") {
        Some("annotation `argocd.argoproj.io/sync-options: Prune=confirm`")
    } else if has_option(object, "Delete=confirm") {
        Some("annotation `argocd.argoproj.io/sync-options: Delete=confirm`")
    } else {
        None
    }
}

/// The first object of some that asks to stay.
pub fn who_stays(found: &[Found]) -> Option<(&ObjectId, &'static str)> {
    found.iter().find_map(|found| has_keep_policy(&found.object).map(|mark| (&found.id, mark)))
}

/// What keeps an object that would take along what asks to stay.
pub fn keeps(who: &str, mark: &str) -> String {
    format!("{who} would be deleted with it, and has the {mark}")
}

/// Makes of a removal that the object is kept, as what would go with it asks to stay.
pub fn keep_for(change: &mut Change, who: &str, mark: &str) {
    let why = keeps(who, mark);
    if change.action == Action::Replace {
        let message = format!("It cannot be deleted and created again: {why}.");
        change.verdict = Verdict::Rejected { message, causes: Vec::new() };
        change.refused_by = RefusedBy::Driftless;
        return;
    }
    change.action = Action::None;
    change.verdict = Verdict::Accepted;
    change.before = None;
    change.referrers.clear();
    change.notes = vec![format!("Kept: {why}.")];
}

/// Whether Argo CD's options of an object have this one.
fn has_option(object: &Value, option: &str) -> bool {
    entry(object, "annotations", "argocd.argoproj.io/sync-options").split(',').any(|own| own.trim() == option)
}

fn entry<'a>(object: &'a Value, field: &str, name: &str) -> &'a str {
    object["metadata"][field].get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(field: &str, name: &str, value: &str) -> Value {
        json!({"metadata": {field: {name: value}}})
    }

    /// X2+: what each tool keeps, and what it asks about, is kept and asked about.
    #[test]
    fn each_tools_guard_is_known() {
        const ARGO: &str = "argocd.argoproj.io/sync-options";
        const FLUX: &str = "kustomize.toolkit.fluxcd.io/prune";
        let rows = [
            with("annotations", "helm.sh/resource-policy", "keep"),
            with("annotations", ARGO, "Validate=false, Prune=false"),
            with("annotations", FLUX, "disabled"),
            with("labels", FLUX, "disabled"),
            with("annotations", "kapp.k14s.io/delete-strategy", "orphan"),
            with("annotations", ARGO, "Delete=false"),
            with("annotations", ARGO, "Prune=confirm"),
            with("annotations", ARGO, "Delete=confirm"),
            with("labels", ARGO, "Prune=false"),
            with("labels", FLUX, "enabled"),
            json!({}),
        ];
        let said = rows.iter().map(|object| {
            let of = |mark: Option<&str>| mark.map_or("-", |_| "yes");
            let [stays, outlives, asks] =
                [has_keep_policy(object), asks_to_outlive(object), asks_for_confirmation(object)].map(of);
            format!("{} stays {stays}, outlives {outlives}, asks {asks}", object["metadata"])
        });
        insta::assert_snapshot!(said.collect::<Vec<_>>().join("\n"), @r#"
        {"annotations":{"helm.sh/resource-policy":"keep"}} stays yes, outlives yes, asks -
        {"annotations":{"argocd.argoproj.io/sync-options":"Validate=false, Prune=false"}} stays yes, outlives yes, asks -
        {"annotations":{"kustomize.toolkit.fluxcd.io/prune":"disabled"}} stays yes, outlives yes, asks -
        {"labels":{"kustomize.toolkit.fluxcd.io/prune":"disabled"}} stays yes, outlives yes, asks -
        {"annotations":{"kapp.k14s.io/delete-strategy":"orphan"}} stays yes, outlives yes, asks -
        {"annotations":{"argocd.argoproj.io/sync-options":"Delete=false"}} stays -, outlives yes, asks -
        {"annotations":{"argocd.argoproj.io/sync-options":"Prune=confirm"}} stays -, outlives -, asks yes
        {"annotations":{"argocd.argoproj.io/sync-options":"Delete=confirm"}} stays -, outlives -, asks yes
        {"labels":{"argocd.argoproj.io/sync-options":"Prune=false"}} stays -, outlives -, asks -
        {"labels":{"kustomize.toolkit.fluxcd.io/prune":"enabled"}} stays -, outlives -, asks -
        null stays -, outlives -, asks -
        "#);
    }
}
