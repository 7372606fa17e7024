//! The order in which kinds are applied: dependencies first. Prunes use the reverse order.

use std::cmp::Ordering;

use crate::manifest::ObjectKey;

/// The stages of a sync: each is finished before the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// CRDs and namespaces: nothing of theirs can be asked before they are there.
    First,
    /// Everything else.
    Rest,
    /// What intercepts other objects' requests: it comes when its server may run.
    Last,
}

const KINDS: [&str; 35] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterRoleBinding",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Job",
    "CronJob",
    // Kinds that are not in this list stand here.
    "Ingress",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "APIService",
];
const WEBHOOKS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

fn rank(kind: &str) -> usize {
    if WEBHOOKS.contains(&kind) {
        return KINDS.len() + 1;
    }
    let unknown = KINDS.iter().position(|known| *known == "Ingress").unwrap_or_default();
    match KINDS.iter().position(|known| *known == kind) {
        Some(place) if place >= unknown => place + 1,
        Some(place) => place,
        None => unknown,
    }
}

pub fn stage(group: &str, kind: &str) -> Stage {
    match (group, kind) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") | ("", "Namespace") => Stage::First,
        ("apiregistration.k8s.io", "APIService") => Stage::Last,
        ("admissionregistration.k8s.io", kind) if WEBHOOKS.contains(&kind) => Stage::Last,
        _ => Stage::Rest,
    }
}

/// The order of an apply; objects of one kind by namespace and name, so that every plan of the same objects reads the
/// same.
pub fn compare(a: &ObjectKey, b: &ObjectKey) -> Ordering {
    let place = |key: &ObjectKey| (stage(&key.group, &key.kind), rank(&key.kind));
    place(a).cmp(&place(b)).then_with(|| names(a).cmp(&names(b)))
}

fn names(key: &ObjectKey) -> (&str, &str, Option<&str>, &str, &str) {
    (&key.kind, &key.group, key.namespace.as_deref(), &key.name, &key.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, kind: &str, name: &str) -> ObjectKey {
        ObjectKey {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: None,
            name: name.to_owned(),
        }
    }

    #[test]
    fn what_others_need_comes_first() {
        let mut keys = vec![
            key("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "w"),
            key("networking.k8s.io", "Ingress", "i"),
            key("example.io", "Widget", "x"),
            key("apps", "Deployment", "b"),
            key("apps", "Deployment", "a"),
            key("", "Service", "s"),
            key("", "ConfigMap", "c"),
            key("apiregistration.k8s.io", "APIService", "z"),
            key("", "Namespace", "n"),
            key("apiextensions.k8s.io", "CustomResourceDefinition", "d"),
        ];
        keys.sort_by(compare);
        let order: Vec<_> = keys.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(order.join("\n"), @r"
        CustomResourceDefinition d
        Namespace n
        ConfigMap c
        Service s
        Deployment a
        Deployment b
        Widget x
        Ingress i
        APIService z
        ValidatingWebhookConfiguration w
        ");
    }

    #[test]
    fn a_foreign_kind_of_a_known_name_has_no_stage_of_its_own() {
        assert_eq!(stage("example.io", "Namespace"), Stage::Rest);
        assert_eq!(stage("", "Namespace"), Stage::First);
    }
}
