//! The rights that Driftless needs in a cluster: for the objects of the apps if they are known, otherwise those of the
//! role in `deploy/base`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::app::Allow;
use crate::cluster::{Discovery, Resource};
use crate::ids::AppId;
use crate::manifest::ObjectKey;
use crate::yaml;

/// What it takes to preview, apply, watch and prune a kind. A dry-run is authorised as the real verb.
const VERBS: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

/// The role that the base grants, and that the tests run under.
const ROLE: &str = include_str!("../../deploy/base/role.yaml");

/// One kind that is worked with, in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    pub group: String,
    /// The plural name, as roles have it.
    pub resource: String,
    pub namespaced: bool,
    pub verbs: BTreeSet<String>,
    /// Patterns of the namespaces in which objects are written; empty for a kind without namespaces.
    pub namespaces: BTreeSet<String>,
    /// Who needs it: apps, or where it is said.
    pub wanted_by: BTreeSet<String>,
}

/// Verbs on a kind that are not granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    pub group: String,
    pub resource: String,
    /// Where; empty for the whole cluster.
    pub namespaces: Vec<String>,
    pub verbs: Vec<String>,
    pub wanted_by: BTreeSet<String>,
}

/// What one repo does in one cluster.
pub struct Uses<'a> {
    pub repo: &'a str,
    pub allow: &'a Allow,
    /// What its apps render for this cluster. None: nobody knows.
    pub rendered: Option<Vec<(AppId, Vec<ObjectKey>)>>,
}

#[derive(Deserialize)]
struct Role {
    rules: Vec<RoleRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleRule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// By group and resource. Kinds that the cluster does not serve are left out: nobody can be granted them.
pub fn needs(discovery: &Discovery, uses: &[Uses<'_>]) -> Vec<Need> {
    let mut all = Needs { discovery, found: BTreeMap::new() };
    let known = uses.iter().all(|uses| uses.rendered.is_some());
    let patterns = |uses: &Uses<'_>| uses.allow.namespaces.iter().cloned().map(String::from).collect::<BTreeSet<_>>();
    let everywhere: BTreeSet<String> = uses.iter().flat_map(patterns).collect();
    for rule in role().into_iter().filter(|_| !known) {
        for (group, plural) in
            rule.api_groups.iter().flat_map(|group| rule.resources.iter().map(move |plural| (group, plural)))
        {
            if let Some(resource) = discovery.by_plural(group, plural) {
                all.add(resource, rule.verbs.iter().map(String::as_str), &everywhere, "deploy/base");
            }
        }
    }
    for uses in uses {
        for (app, keys) in uses.rendered.iter().flatten() {
            for key in keys {
                if let Some(resource) = discovery.resolve(&key.group, &key.version, &key.kind) {
                    let namespace = key.namespace.iter().cloned().collect();
                    all.add(resource, VERBS, &namespace, &app.to_string());
                }
            }
        }
        for resource in
            discovery.listable().filter(|resource| !resource.namespaced && may_be_written(uses.allow, resource))
        {
            all.add(resource, VERBS, &BTreeSet::new(), &format!("repos[{}].allow.clusterScoped", uses.repo));
        }
    }
    all.found.into_values().collect()
}

fn role() -> Vec<RoleRule> {
    let documents = yaml::documents(ROLE);
    let role = documents.into_iter().next().and_then(|document| yaml::parse::<Role>(document).ok());
    role.expect("the role is part of the program, and a test reads it").rules
}

fn may_be_written(allow: &Allow, resource: &Resource) -> bool {
    let group = |wanted: &Option<String>| wanted.as_ref().is_none_or(|group| *group == resource.group);
    allow.cluster_scoped.iter().any(|entry| group(&entry.group) && entry.kind.matches(&resource.kind))
}

struct Needs<'a> {
    discovery: &'a Discovery,
    found: BTreeMap<(String, String), Need>,
}

impl Needs<'_> {
    fn add<'v>(
        &mut self,
        resource: &Resource,
        verbs: impl IntoIterator<Item = &'v str>,
        namespaces: &BTreeSet<String>,
        by: &str,
    ) {
        // Roles don't know versions.
        let resource = self.discovery.preferred(&resource.group, &resource.kind).unwrap_or(resource);
        let need = self.found.entry((resource.group.clone(), resource.plural.clone())).or_insert_with(|| Need {
            group: resource.group.clone(),
            resource: resource.plural.clone(),
            namespaced: resource.namespaced,
            verbs: BTreeSet::new(),
            namespaces: BTreeSet::new(),
            wanted_by: BTreeSet::new(),
        });
        need.verbs.extend(verbs.into_iter().map(str::to_owned));
        if need.namespaced {
            need.namespaces.extend(namespaces.iter().cloned());
        }
        need.wanted_by.insert(by.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_of_the_base_can_be_read() {
        let rules = role();
        assert!(
            rules
                .iter()
                .any(|rule| rule.resources.contains(&"deployments".to_owned()) && rule.verbs.len() == VERBS.len())
        );
        assert!(rules.iter().all(|rule| rule.verbs == VERBS), "what nobody writes is not read either");
    }
}
