//! Fields that a controller fills. A manifest that sets them empty would clear them at each apply, which is an outage
//! until the controller fills them again. They are left out, so that only the controller owns them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::manifest::ObjectKey;

/// Leaves them out of a manifest, and says so in whole sentences.
pub(super) fn leave_out(key: &ObjectKey, object: &mut Value) -> Vec<String> {
    let mut notes = Vec::new();
    if key.group == "rbac.authorization.k8s.io"
        && key.kind == "ClusterRole"
        && aggregates(object)
        && remove(object, "rules")
    {
        notes.push("Left out `rules`: the cluster fills them, because `aggregationRule` is set.".to_owned());
    }
    let placeholders = bundles(key, object)
        .into_iter()
        .filter(|holder| is_blank(&holder["caBundle"]))
        .map(|holder| remove(holder, "caBundle"));
    if placeholders.filter(|removed| *removed).count() > 0 {
        notes.push("Left out an empty `caBundle`: the controller that injects certificates owns it.".to_owned());
    }
    notes
}

fn aggregates(object: &Value) -> bool {
    object.get("aggregationRule").is_some_and(|rule| !rule.is_null())
}

fn remove(object: &mut Value, field: &str) -> bool {
    object.as_object_mut().is_some_and(|fields| fields.shift_remove(field).is_some())
}

/// The parts of an object that may have a `caBundle`.
fn bundles<'a>(key: &ObjectKey, object: &'a mut Value) -> Vec<&'a mut Value> {
    match (key.group.as_str(), key.kind.as_str()) {
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
            let webhooks = object.get_mut("webhooks").and_then(Value::as_array_mut);
            webhooks.into_iter().flatten().filter_map(|webhook| webhook.get_mut("clientConfig")).collect()
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            object.pointer_mut("/spec/conversion/webhook/clientConfig").into_iter().collect()
        }
        ("apiregistration.k8s.io", "APIService") => object.get_mut("spec").into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Nothing, or the base64 of nothing but blanks, as charts have it where something else injects the bundle.
fn is_blank(bundle: &Value) -> bool {
    match bundle {
        Value::String(text) => {
            STANDARD.decode(text.trim()).is_ok_and(|bytes| bytes.iter().all(u8::is_ascii_whitespace))
        }
        other => other.is_null(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(mut object: Value) -> (Value, Vec<String>) {
        let key = ObjectKey::of(&object).expect("a name");
        let notes = leave_out(&key, &mut object);
        (object, notes)
    }

    /// B7: an aggregated `ClusterRole` never has rules of its own, empty or not.
    #[test]
    fn the_rules_of_an_aggregated_role_are_the_clusters() {
        let role = |rules: Value, aggregation: Value| {
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"},
                "aggregationRule": aggregation, "rules": rules})
        };
        let (object, notes) = left(role(json!([]), json!({"clusterRoleSelectors": []})));
        assert!(object.get("rules").is_none());
        assert_eq!(notes.len(), 1);
        assert!(left(role(json!([{"verbs": ["get"]}]), json!({}))).0.get("rules").is_none());
        assert!(left(role(json!([]), Value::Null)).0.get("rules").is_some(), "its rules are its own");
    }

    /// B7: a placeholder is left to what injects the bundle; a real one is Git's.
    #[test]
    fn an_empty_bundle_is_left_to_what_injects_it() {
        let hooks = |bundle: &Value| {
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": "a"},
                "webhooks": [{"name": "x", "clientConfig": {"caBundle": bundle, "url": "u"}}, {"name": "y",
                "clientConfig": {"url": "u"}}]})
        };
        for blank in [json!(""), json!("Cg=="), json!("IAo="), Value::Null] {
            let (object, notes) = left(hooks(&blank));
            assert_eq!(object.pointer("/webhooks/0/clientConfig"), Some(&json!({"url": "u"})), "{blank}");
            assert_eq!(notes, ["Left out an empty `caBundle`: the controller that injects certificates owns it."]);
        }
        assert_eq!(left(hooks(&json!("LS0tLQ=="))), (hooks(&json!("LS0tLQ==")), Vec::new()));
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "a"},
            "spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": "Cg=="}}}}});
        assert_eq!(left(crd).0.pointer("/spec/conversion/webhook/clientConfig"), Some(&json!({})));
        let service = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "a"}, "spec": {"caBundle": ""}});
        assert_eq!(left(service).0["spec"], json!({}));
    }
}
