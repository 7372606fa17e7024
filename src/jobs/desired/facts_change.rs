//! The difference between two versions of a cluster's facts that charts use. Pure.

use std::collections::BTreeSet;

use crate::ids::ClusterName;
use crate::render::ClusterFacts;
use crate::report::words::join;

/// How many kinds are named.
const KINDS: usize = 3;

/// What a cluster is now that it was not before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::jobs) struct FactsChange {
    /// The versions of Kubernetes, where they differ.
    pub version: Option<(String, String)>,
    /// Kinds such as `apps/v1/Deployment`.
    pub gained: Vec<String>,
    pub lost: Vec<String>,
}

impl FactsChange {
    pub fn between(before: &ClusterFacts, now: &ClusterFacts) -> Self {
        let version = (before.version != now.version).then(|| (before.version.clone(), now.version.clone()));
        let gained = beside(&now.api_versions, &before.api_versions);
        Self { version, gained, lost: beside(&before.api_versions, &now.api_versions) }
    }

    /// The groups of the kinds that came or went.
    pub fn groups(&self) -> BTreeSet<String> {
        self.gained.iter().chain(&self.lost).filter_map(|kind| Some(kind.split_once('/')?.0.to_owned())).collect()
    }

    /// Leaves out the kinds of all groups but these.
    pub fn only(&mut self, groups: &BTreeSet<String>) {
        let is_in = |kind: &String| kind.split_once('/').is_some_and(|(group, _)| groups.contains(group));
        self.gained.retain(is_in);
        self.lost.retain(is_in);
    }

    /// `cluster prod now serves a.io/v1/A (CRD as.a.io of defs)`. None where the cluster is the same.
    pub fn describe(&self, cluster: &ClusterName, crds: &[String]) -> Option<String> {
        let mut parts = Vec::new();
        if let Some((before, now)) = &self.version {
            parts.push(format!("runs Kubernetes {now} (before: {before})"));
        }
        for (kinds, what) in [(&self.gained, "now serves"), (&self.lost, "no longer serves")] {
            if !kinds.is_empty() {
                parts.push(format!("{what} {}", join(kinds, KINDS)));
            }
        }
        let crds = if crds.is_empty() { String::new() } else { format!(" ({})", join(crds, KINDS)) };
        (!parts.is_empty()).then(|| format!("cluster {cluster} {}{crds}", parts.join(" and ")))
    }
}

/// The kinds of `all` that `others` has not.
fn beside(all: &[String], others: &[String]) -> Vec<String> {
    let others: BTreeSet<&String> = others.iter().collect();
    let is_kind = |text: &&String| text.split('/').next_back().is_some_and(|last| last.starts_with(char::is_uppercase));
    all.iter().filter(is_kind).filter(|kind| !others.contains(kind)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version: &str, api_versions: &[&str]) -> ClusterFacts {
        let api_versions = api_versions.iter().map(|name| (*name).to_owned()).collect();
        ClusterFacts { version: version.to_owned(), api_versions }
    }

    /// A14+: what is another one about a cluster is told by its kinds, its version and the CRDs.
    #[test]
    fn what_a_cluster_is_now_is_told() {
        let before = facts("v1.35.0", &["v1", "v1/Pod", "a.io/v1", "a.io/v1/A"]);
        let now = facts("v1.36.3", &["v1", "v1/Pod", "b.io/v1", "b.io/v1/B", "c.io/v1", "c.io/v1/C"]);
        let cluster = ClusterName::new("prod");
        let mut change = FactsChange::between(&before, &now);
        assert_eq!(change.groups().into_iter().collect::<Vec<_>>(), ["a.io", "b.io", "c.io"]);
        assert_eq!(
            change.describe(&cluster, &["CRD bs.b.io of defs".to_owned()]).expect("a change"),
            "cluster prod runs Kubernetes v1.36.3 (before: v1.35.0) and now serves b.io/v1/B, c.io/v1/C and no longer \
             serves a.io/v1/A (CRD bs.b.io of defs)"
        );
        change.only(&BTreeSet::from(["c.io".to_owned()]));
        assert_eq!((change.gained, change.lost), (vec!["c.io/v1/C".to_owned()], Vec::new()));
        assert_eq!(FactsChange::between(&now, &now).describe(&cluster, &[]), None);
    }
}
