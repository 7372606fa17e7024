//! What a pull request does to an app's definition: the lines that change, and what they mean. Pure.

use serde_json::{Value, json};

use crate::app::{App, DriftPolicy, OnDelete, SyncPolicy};
use crate::plan;
use crate::plan::Redactor;
use crate::redact::HIDDEN;

/// The definition as a diff, and a sentence for each policy that it sets.
///
/// Inline values may be what a Secret is made of. They are shown only through a redactor that knows the app's Secrets; without one, only their
/// keys are.
pub(in crate::jobs) fn describe(base: Option<&App>, change: Option<&App>, redactor: Option<&Redactor>) -> (Option<String>, Vec<String>) {
    let shown = |app: Option<&App>| app.map(|app| shown(app, redactor.is_some()));
    let diff = String::from(plan::diff_values(shown(base).as_ref(), shown(change).as_ref()));
    let diff = redactor.map_or(diff.clone(), |redactor| redactor.text(&diff).into());
    let policies = change.map(|change| policies(base, change)).unwrap_or_default();
    ((!diff.is_empty()).then_some(diff), policies)
}

/// The keys of a tree of values, with what they hold left out.
fn keys_of(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(keys_of),
        Value::Array(items) => items.iter_mut().for_each(keys_of),
        Value::Null => {}
        _ => *value = Value::from(HIDDEN),
    }
}

/// As it is written, with what it leaves out.
fn shown(app: &App, with_values: bool) -> Value {
    let mut spec = json!({
        "source": {"repo": app.source.repo, "ref": app.source.ref_name, "path": app.source.path},
        "destination": app.destination,
        "sync": app.sync,
        "drift": app.drift,
        "onDelete": app.on_delete,
        "adopt": app.adopt,
    });
    if let (Some(spec), Ok(Value::Object(render))) = (spec.as_object_mut(), serde_json::to_value(&app.render)) {
        spec.extend(render.into_iter().filter(|(_, value)| !value.is_null() && value.as_object().is_none_or(|fields| !fields.is_empty())));
    }
    if let Some(values) = spec.pointer_mut("/helm/values").filter(|_| !with_values) {
        keys_of(values);
    }
    if !app.ignore_differences.is_empty() {
        spec["ignoreDifferences"] = json!(app.ignore_differences);
    }
    json!({"kind": "App", "metadata": {"name": app.id.name}, "spec": spec})
}

/// What is not as it was, or for a new app, not as the defaults are.
fn policies(base: Option<&App>, change: &App) -> Vec<String> {
    let mut said = Vec::new();
    if base.map_or(OnDelete::default(), |base| base.on_delete) != change.on_delete {
        said.push(match change.on_delete {
            OnDelete::Prune => "Sets `onDelete: prune`: when its definition is removed, its objects are deleted.",
            OnDelete::Keep => "Sets `onDelete: keep`: when its definition is removed, its objects stay.",
        });
    }
    if base.is_some_and(|base| base.adopt.0) != change.adopt.0 {
        said.push(if change.adopt.0 {
            "Sets `adopt: true`: it takes over objects that exist already and that no other app of Driftless owns."
        } else {
            "Sets `adopt: false`: objects that exist already are no longer taken over."
        });
    }
    if base.map_or(DriftPolicy::default(), |base| base.drift) != change.drift {
        said.push(match change.drift {
            DriftPolicy::Ignore => "Sets `drift: ignore`: changes made in the cluster are neither reverted nor reported.",
            DriftPolicy::Report => "Sets `drift: report`: changes made in the cluster are reported and not reverted.",
            DriftPolicy::Heal => "Sets `drift: heal`: changes made in the cluster are reverted.",
        });
    }
    if base.map_or(SyncPolicy::default(), |base| base.sync) != change.sync {
        said.push(match change.sync {
            SyncPolicy::Manual => "Sets `sync: manual`: merges are applied only when somebody runs `driftless sync`.",
            SyncPolicy::Never => "Sets `sync: never`: merges are previewed and never applied.",
            SyncPolicy::Auto => "Sets `sync: auto`: merges are applied.",
        });
    }
    if base.map(|base| base.ignore_differences.as_slice()).unwrap_or_default() != change.ignore_differences.as_slice() {
        said.push("Changes `ignoreDifferences`: which fields other controllers may set.");
    }
    said.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::parse_file;
    use crate::ids::RepoName;

    fn app(more: &str) -> App {
        let text = format!(
            "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {{name: shop}}\nspec:\n  source: {{path: deploy}}\n  destination: {{cluster: prod, namespace: shop}}\n{more}"
        );
        let mut parsed = parse_file(&RepoName::new("shop"), "refs/heads/main", "apps/shop.yaml", &text);
        assert_eq!(parsed.errors, []);
        parsed.apps.remove(0)
    }

    /// L14 and P5: a pull request that changes how an app is looked after says so, with the lines.
    #[test]
    fn a_changed_policy_is_said_and_shown() {
        let (plain, strict) = (app(""), app("  onDelete: prune\n  adopt: true\n  drift: ignore\n"));
        let (diff, said) = describe(Some(&plain), Some(&strict), None);
        insta::assert_snapshot!(format!("{}\n{}", diff.unwrap_or_default(), said.join("\n")));
        assert_eq!(describe(None, Some(&strict), None).1, said, "a new app that sets them says so as well");
        assert!(describe(None, Some(&plain), None).1.is_empty());
        assert_eq!(describe(Some(&strict), Some(&plain), None).1.len(), 3);
        assert_eq!(describe(Some(&plain), Some(&plain), None), (None, Vec::new()));
    }

    /// S1+: what stands in the definition may be what a Secret is made of.
    #[test]
    fn inline_values_are_shown_only_by_who_knows_the_secrets() {
        let with = |password: &str| app(&format!("  helm: {{values: {{db: {{password: {password}}}}}}}\n"));
        let (before, after) = (with("hunter2-one"), with("hunter2-two"));
        assert_eq!(describe(Some(&before), Some(&after), None).0, None);
        let added = describe(None, Some(&after), None).0.expect("a diff");
        assert!(added.contains("password: (hidden)") && !added.contains("hunter2"), "{added}");
        let known = describe(Some(&before), Some(&after), Some(&Redactor::default())).0.expect("a diff");
        assert!(known.contains("hunter2-two"), "the app has no Secret: {known}");
    }
}
