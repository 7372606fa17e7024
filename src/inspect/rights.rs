//! Compares the needed rights with those that a cluster grants, in few requests: the rules are listed once for the
//! cluster, and once per namespace if necessary. Single rights are only reviewed if a cluster cannot list all of its
//! rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::needs::{Missing, Need};
use super::role;
use crate::app::Pattern;
use crate::cluster::{Cluster, ClusterError, Discovery, Rules};

/// Nothing can be granted in a namespace of this name, as none can have it: names have no dot. The rules there are
/// those for the whole cluster.
const NOWHERE: &str = "nowhere.driftless.dev";

/// So many namespaces are looked at one by one, where rights are not granted for the whole cluster.
const MOST_NAMESPACES: usize = 10;

/// So many single questions are asked. What is left counts as missing, as the lists say.
const MOST_QUESTIONS: usize = 120;

/// What a cluster grants of what is needed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRights {
    pub cluster: String,
    /// Who the cluster takes us for.
    pub identity: Option<String>,
    pub needs: Vec<Need>,
    pub missing: Vec<Missing>,
    /// Rules for a role that grant what is missing, as YAML. Empty: nothing is.
    pub rules: String,
    /// Namespaces that match an `allow` and were not looked at, as there are many.
    pub not_looked_at: usize,
}

pub async fn look(cluster: &Cluster, discovery: &Discovery, needs: Vec<Need>) -> Result<ClusterRights, ClusterError> {
    let wide = cluster.own_rules(NOWHERE).await?;
    let mut questions = Questions { cluster, left: if wide.incomplete { MOST_QUESTIONS } else { 0 } };
    let (namespaces, not_looked_at) = if needs.iter().any(|need| !lacking(&wide, need).is_empty()) {
        namespaces(cluster, discovery, &needs).await
    } else {
        (Vec::new(), 0)
    };
    let mut within = BTreeMap::new();
    for namespace in &namespaces {
        within.insert(namespace.clone(), cluster.own_rules(namespace).await?);
    }
    let mut missing = Vec::new();
    for need in &needs {
        missing.extend(questions.missing(need, &wide, &within).await?);
    }
    Ok(ClusterRights {
        cluster: cluster.name().to_string(),
        // An old cluster can't say it, and nothing depends on it.
        identity: cluster.who_am_i().await.ok().filter(|name| !name.is_empty()),
        rules: role::rules(&missing),
        needs,
        missing,
        not_looked_at,
    })
}

fn lacking(rules: &Rules, need: &Need) -> Vec<String> {
    need.verbs.iter().filter(|verb| !rules.grant(verb, &need.group, &need.resource)).cloned().collect()
}

/// Namespaces by name, and those that are there and match a pattern; and how many were left out.
async fn namespaces(cluster: &Cluster, discovery: &Discovery, needs: &[Need]) -> (Vec<String>, usize) {
    let patterns: BTreeSet<&String> = needs.iter().flat_map(|need| &need.namespaces).collect();
    let mut found: BTreeSet<String> =
        patterns.iter().filter(|pattern| is_name(pattern)).map(|name| (*name).clone()).collect();
    let globs: Vec<Pattern> =
        patterns.iter().filter_map(|pattern| Pattern::try_from((*pattern).clone()).ok()).collect();
    // Who may not list namespaces is asked about the named ones only.
    if let Some(resource) = discovery.preferred("", "Namespace")
        && let Ok(list) = cluster.list_metadata(resource, None).await
    {
        found.extend(
            list.items.into_iter().map(|item| item.name).filter(|name| globs.iter().any(|glob| glob.matches(name))),
        );
    }
    let more = found.len().saturating_sub(MOST_NAMESPACES);
    (found.into_iter().take(MOST_NAMESPACES).collect(), more)
}

fn is_name(pattern: &str) -> bool {
    pattern.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Single questions, a bounded number of them.
struct Questions<'a> {
    cluster: &'a Cluster,
    left: usize,
}

impl Questions<'_> {
    async fn missing(
        &mut self,
        need: &Need,
        wide: &Rules,
        within: &BTreeMap<String, Rules>,
    ) -> Result<Vec<Missing>, ClusterError> {
        let everywhere = self.refused(need, lacking(wide, need), None).await?;
        let matching: Vec<&String> = within.keys().filter(|name| need.writes_in(name)).collect();
        if !need.namespaced || matching.is_empty() {
            return Ok(found(need, Vec::new(), &everywhere).into_iter().collect());
        }
        let mut by_verbs: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        for namespace in matching {
            let lacking = everywhere
                .iter()
                .filter(|verb| !within[namespace].grant(verb, &need.group, &need.resource))
                .cloned()
                .collect();
            let refused = self.refused(need, lacking, Some(namespace)).await?;
            by_verbs.entry(refused).or_default().push(namespace.clone());
        }
        Ok(by_verbs.into_iter().filter_map(|(verbs, namespaces)| found(need, namespaces, &verbs)).collect())
    }

    /// Of verbs that no list shows, those that are refused when they are asked for, as far as they are.
    async fn refused(
        &mut self,
        need: &Need,
        verbs: Vec<String>,
        namespace: Option<&str>,
    ) -> Result<Vec<String>, ClusterError> {
        let mut refused = Vec::new();
        for verb in verbs {
            let asked = self.left > 0;
            self.left = self.left.saturating_sub(1);
            if !asked || !self.cluster.may(&verb, &need.group, &need.resource, namespace).await? {
                refused.push(verb);
            }
        }
        Ok(refused)
    }
}

fn found(need: &Need, namespaces: Vec<String>, verbs: &[String]) -> Option<Missing> {
    let Need { group, resource, wanted_by, .. } = need;
    let verbs: Vec<String> =
        role::in_order(&verbs.iter().map(String::as_str).collect()).into_iter().map(str::to_owned).collect();
    (!verbs.is_empty()).then(|| Missing {
        group: group.clone(),
        resource: resource.clone(),
        namespaces,
        verbs,
        wanted_by: wanted_by.clone(),
    })
}

impl Need {
    fn writes_in(&self, namespace: &str) -> bool {
        self.namespaces
            .iter()
            .any(|pattern| Pattern::try_from(pattern.clone()).is_ok_and(|pattern| pattern.matches(namespace)))
    }
}
