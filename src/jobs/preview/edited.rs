//! The changes of a pull request to an app's definition: the lines, and what they mean. Pure.

use serde_json::{Value, json};

use crate::app::{App, DriftPolicy, OnDelete, SyncPolicy};
use crate::plan;
use crate::plan::Redactor;
use crate::redact::{HIDDEN, NEW, OLD};

/// What may be shown of an app's inline values.
#[derive(Clone, Copy)]
pub(in crate::jobs) enum Inline<'a> {
    /// Their keys, and which of them change: the app renders a Secret, or nobody knows what it renders. A template can
    /// make anything of a value, its hash or a part of a connection string, so that it is not found again by looking
    /// for what the Secret holds.
    Keys,
    /// All of them, through what hides the values of other Secrets.
    Values(&'a Redactor),
}

/// The definition as a diff, and a sentence for each policy that it sets.
pub(in crate::jobs) fn describe(
    base: Option<&App>,
    change: Option<&App>,
    inline: Inline<'_>,
) -> (Option<String>, Vec<String>) {
    let (mut before, mut after) = (base.map(shown), change.map(shown));
    if let Inline::Keys = inline {
        let values = |side: &Option<Value>| side.as_ref().and_then(|side| side.pointer(VALUES)).cloned();
        let (was, is) = (values(&before), values(&after));
        hide(&mut before, is.as_ref(), OLD);
        hide(&mut after, was.as_ref(), NEW);
    }
    let diff = String::from(plan::diff_values(before.as_ref(), after.as_ref()));
    let diff = match inline {
        Inline::Keys => diff,
        Inline::Values(redactor) => redactor.text(&diff).into(),
    };
    let policies = change.map(|change| policies(base, change)).unwrap_or_default();
    ((!diff.is_empty()).then_some(diff), policies)
}

/// Where inline values stand.
const VALUES: &str = "/spec/helm/values";

fn hide(side: &mut Option<Value>, other: Option<&Value>, changed: &str) {
    if let Some(values) = side.as_mut().and_then(|side| side.pointer_mut(VALUES)) {
        keys_of(values, other, changed);
    }
}

/// The keys of a tree of values, with what they hold left out. What the other side has otherwise is told from the rest.
fn keys_of(value: &mut Value, other: Option<&Value>, changed: &str) {
    match value {
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(key, value)| keys_of(value, other.and_then(|other| other.get(key)), changed));
        }
        Value::Array(items) => {
            items
                .iter_mut()
                .enumerate()
                .for_each(|(at, item)| keys_of(item, other.and_then(|other| other.get(at)), changed));
        }
        Value::Null => {}
        _ => *value = Value::from(if other.is_some_and(|other| other != value) { changed } else { HIDDEN }),
    }
}

/// As it is written, with what it leaves out.
fn shown(app: &App) -> Value {
    let mut spec = json!({
        "source": {"repo": app.source.repo, "ref": app.source.ref_name, "path": app.source.path},
        "destination": app.destination,
        "sync": app.sync,
        "drift": app.drift,
        "onDelete": app.on_delete,
        "adopt": app.adopt,
    });
    if let (Some(spec), Ok(Value::Object(render))) = (spec.as_object_mut(), serde_json::to_value(&app.render)) {
        spec.extend(
            render
                .into_iter()
                .filter(|(_, value)| !value.is_null() && value.as_object().is_none_or(|fields| !fields.is_empty())),
        );
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
        // What counts at the removal is the definition that was applied last.
        if change.sync == SyncPolicy::Manual {
            said.push("`onDelete` takes effect with the next `driftless sync` of this manual app.");
        }
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
            DriftPolicy::Ignore => {
                "Sets `drift: ignore`: changes made in the cluster are neither reverted nor reported."
            }
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
            "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {{name: shop}}\nspec:\n  source: {{path: deploy}}\n  \
             destination: {{cluster: prod, namespace: shop}}\n{more}"
        );
        let mut parsed = parse_file(&RepoName::new("shop"), "refs/heads/main", "apps/shop.yaml", &text);
        assert_eq!(parsed.errors, []);
        parsed.apps.remove(0)
    }

    /// L14 and P5: a pull request that changes how an app is looked after says so, with the lines.
    #[test]
    fn a_changed_policy_is_said_and_shown() {
        let (plain, strict) = (app(""), app("  onDelete: prune\n  adopt: true\n  drift: ignore\n"));
        let (diff, said) = describe(Some(&plain), Some(&strict), Inline::Keys);
        insta::assert_snapshot!(format!("{}\n{}", diff.unwrap_or_default(), said.join("\n")));
        assert_eq!(describe(None, Some(&strict), Inline::Keys).1, said, "a new app that sets them says so as well");
        assert!(describe(None, Some(&plain), Inline::Keys).1.is_empty());
        assert_eq!(describe(Some(&strict), Some(&plain), Inline::Keys).1.len(), 3);
        assert_eq!(describe(Some(&plain), Some(&plain), Inline::Keys), (None, Vec::new()));
        let (manual, pruned) = (app("  sync: manual\n"), app("  sync: manual\n  onDelete: prune\n"));
        let said = describe(Some(&manual), Some(&pruned), Inline::Keys).1;
        assert_eq!(
            said.last().map(String::as_str),
            Some("`onDelete` takes effect with the next `driftless sync` of this manual app.")
        );
    }

    /// S1+: what stands in the definition may be what a Secret is made of, in a form in which nobody finds it again.
    #[test]
    fn inline_values_are_shown_only_where_no_secret_can_be_made_of_them() {
        let with = |password: &str, size: &str| {
            app(&format!("  helm: {{values: {{db: {{password: {password}, size: {size}}}}}}}\n"))
        };
        let (before, after) = (with("hunter2-one", "5"), with("hunter2-two", "5"));
        let changed = describe(Some(&before), Some(&after), Inline::Keys).0.expect("a diff");
        insta::assert_snapshot!(changed);
        let added = describe(None, Some(&after), Inline::Keys).0.expect("a diff");
        assert!(added.contains("password: (hidden)") && !added.contains("hunter2"), "{added}");
        let none = Redactor::default();
        let known = describe(Some(&before), Some(&after), Inline::Values(&none)).0.expect("a diff");
        assert!(known.contains("hunter2-two"), "the app has no Secret: {known}");
    }
}
