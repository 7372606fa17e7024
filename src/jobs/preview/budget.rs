//! The memory limit of one preview.

use serde_json::Value;

use super::comparison::AppComparison;
use crate::render::{Failure, RenderError};

/// Values that all differing apps of one preview may render to together: some 60 MB of memory, and far more text than a
/// pull request's comment can show. Beyond it an app fails, so that no pull request takes the memory of everybody's
/// server.
const PREVIEW_VALUES: usize = 800_000;

/// What is left of a preview's values.
pub(in crate::jobs) struct Budget(usize);

impl Budget {
    pub fn of_a_preview() -> Self {
        Self(PREVIEW_VALUES)
    }

    /// Keeps what a pair renders to while there is room for it, and lets it go otherwise.
    pub fn charge(&mut self, mut pair: AppComparison) -> AppComparison {
        if let Some(left) = self.0.checked_sub(values(&pair)) {
            self.0 = left;
            return pair;
        }
        let message = format!(
            "the apps that this change affects render to more than {PREVIEW_VALUES} values, the limit of one \
             preview; this app was left out"
        );
        let failure = Failure::new(message).with_hint("split the change or the apps");
        for side in [&mut pair.base, &mut pair.change].into_iter().flatten() {
            side.rendered = Err(RenderError::Failed { failure: Box::new(failure.clone()), trace: Box::default() });
        }
        pair
    }
}

/// The values of both sides of an app, which are held until it is compared: numbers, texts, lists and objects, at any
/// depth.
pub(in crate::jobs) fn values(pair: &AppComparison) -> usize {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(fields) => fields.values().map(count).sum(),
            _ => 0,
        }
    }
    let sides = [&pair.base, &pair.change].into_iter().flatten();
    let rendered = sides.filter_map(|side| side.rendered.as_ref().ok());
    rendered.flat_map(|rendered| &rendered.manifests).map(|manifest| count(&manifest.object)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::jobs::preview::comparison::AppVersion;
    use crate::manifest::Manifest;
    use crate::trace::Trace;

    fn pair(name: &str, values: usize) -> AppComparison {
        let text = format!(
            "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {{name: {name}}}\nspec:\n  source: {{path: {name}}}\n  \
             destination: {{cluster: prod, namespace: shop}}\n"
        );
        let app = crate::app::parse_file(&crate::ids::RepoName::new("shop"), "refs/heads/main", "a.yaml", &text)
            .apps
            .remove(0);
        let object = json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": name}, "x": vec![0; values]});
        let manifests = vec![Manifest::new(object, None).expect("it has a name")];
        let rendered = crate::render::Rendered {
            manifests,
            trace: Trace::default(),
            warnings: Vec::new(),
            nondeterministic: Vec::new(),
            cluster: None,
            identity: String::new(),
        };
        AppComparison {
            id: app.id.clone(),
            base: None,
            change: Some(AppVersion { app, rendered: Ok(Arc::new(rendered)) }),
            definition_changed: true,
            repairs: false,
            invalid: None,
            refused: None,
        }
    }

    fn failure(pair: &AppComparison) -> Option<String> {
        pair.change.as_ref()?.rendered.as_ref().err().map(ToString::to_string)
    }

    /// X10: the apps of one preview share a budget; what is beyond it is let go, fails by itself and names the way out.
    #[test]
    fn a_preview_holds_no_more_than_its_budget() {
        let mut budget = Budget(PREVIEW_VALUES);
        let large = PREVIEW_VALUES / 2;
        let kept = [budget.charge(pair("a", large - 10)), budget.charge(pair("b", large - 10))];
        assert!(kept.iter().all(|pair| failure(pair).is_none()));
        let refused = budget.charge(pair("c", 100));
        assert_eq!(values(&refused), 0, "nothing of it is held");
        insta::assert_snapshot!(failure(&refused).unwrap_or_default(),
            @"the apps that this change affects render to more than 800000 values, the limit of one preview; this app was left out (split the change or the apps)");
        assert_eq!(failure(&budget.charge(pair("d", 1))), None, "a small one fits");
    }
}
