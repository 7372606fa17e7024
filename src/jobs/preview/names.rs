//! Kinds that a cluster serves under several API groups: an object has a name in each, and is one object.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::rests;
use crate::ids::ClusterName;
use crate::jobs::Context;
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::Action;
use crate::queue::JobError;
use crate::report::preview::{AppReport, ObjectReport};

#[derive(Debug, Default)]
pub(in crate::jobs) struct Names {
    /// The other groups of a kind, by its cluster, group and name.
    others: BTreeMap<(ClusterName, String, String), Vec<String>>,
}

/// Whether an app would write an object.
pub(in crate::jobs) fn writes(object: &ObjectReport) -> bool {
    !matches!(object.action, Action::Prune | Action::None)
}

impl Names {
    /// Those of all that the apps of a pull request would write. Each cluster is asked about the kinds that it has
    /// under several groups, which are few.
    pub async fn find(context: &Context, reports: &[AppReport]) -> Result<Self, JobError> {
        let mut names = Self::default();
        for report in reports {
            // What nobody knows any more has not been planned.
            let Ok(cluster) = context.cluster(&report.cluster) else { continue };
            let kinds: BTreeSet<ObjectKey> =
                report.objects().iter().filter(|object| writes(object)).map(|object| kind_of(&object.key)).collect();
            for kind in kinds {
                let at = (report.cluster.clone(), kind.group.clone(), kind.kind.clone());
                if let Entry::Vacant(unknown) = names.others.entry(at) {
                    unknown.insert(cluster.other_groups(&kind).await?);
                }
            }
        }
        Ok(names)
    }

    /// What else an object is called in its cluster.
    pub fn others(&self, cluster: &ClusterName, id: &ObjectId) -> impl Iterator<Item = ObjectId> {
        let groups = self.others.get(&(cluster.clone(), id.group.clone(), id.kind.clone()));
        let id = id.clone();
        groups.into_iter().flatten().map(move |group| ObjectId { group: group.clone(), ..id.clone() })
    }

    /// The one of its names by which it is compared.
    pub fn one(&self, cluster: &ClusterName, id: &ObjectId) -> ObjectId {
        self.others(cluster, id).chain([id.clone()]).min().unwrap_or_else(|| id.clone())
    }

    /// What a preview rests on beside the names that its apps use: whoever writes an object under another one of its
    /// names changes what is said of it.
    pub fn rests(&self, reports: &[AppReport]) -> BTreeSet<String> {
        let of = |report: &AppReport| {
            let ids = report.objects().iter().filter(|object| writes(object)).map(|object| object.key.id());
            let others = ids.flat_map(|id| self.others(&report.cluster, &id).collect::<Vec<_>>());
            others.map(|id| rests::object(&report.cluster, &id)).collect::<Vec<_>>()
        };
        reports.iter().flat_map(of).collect()
    }
}

fn kind_of(key: &ObjectKey) -> ObjectKey {
    ObjectKey { namespace: None, name: String::new(), ..key.clone() }
}

/// ` under the API group G`, where that is another one than the reader knows.
pub(in crate::jobs) fn under(group: &str, known: &str) -> String {
    match group {
        group if group == known => String::new(),
        "" => " under the core API group".to_owned(),
        group => format!(" under the API group {group}"),
    }
}

#[cfg(test)]
impl Names {
    pub fn of(cluster: &ClusterName, groups: [&str; 2], kind: &str) -> Self {
        let [one, other] = groups.map(str::to_owned);
        let at = |group: &String| (cluster.clone(), group.clone(), kind.to_owned());
        Self { others: [(at(&one), vec![other.clone()]), (at(&other), vec![one])].into() }
    }
}
