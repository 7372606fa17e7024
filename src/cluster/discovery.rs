//! The APIs of a cluster: kinds, plural names, scopes and verbs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::core::discovery::v2::{APIGroupDiscoveryList, APIResourceDiscovery};

/// One kind in one version, as the cluster serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    /// The name in paths, such as `deployments`.
    pub plural: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    /// Whether its status is a subresource.
    pub status: bool,
}

impl Resource {
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `/apis/apps/v1` and the like, without a slash at the end.
    pub(super) fn root(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }
}

/// All that a cluster serves, as it was when it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    /// By group and kind; versions in the server's order of preference.
    kinds: BTreeMap<(String, String), Vec<Resource>>,
    api_versions: Vec<String>,
    version: String,
    stale: Vec<String>,
}

/// A kind that is not known is looked for anew, but not in every request of a plan that has many of them.
pub(super) const SECOND_LOOK: Duration = Duration::from_secs(5);

pub(super) struct Cached {
    pub(super) discovery: Arc<Discovery>,
    pub(super) at: tokio::time::Instant,
}

impl Discovery {
    pub fn resolve(&self, group: &str, version: &str, kind: &str) -> Option<&Resource> {
        self.versions(group, kind).iter().find(|resource| resource.version == version)
    }

    /// The version that the server prefers for a kind.
    pub fn preferred(&self, group: &str, kind: &str) -> Option<&Resource> {
        self.versions(group, kind).first()
    }

    /// The kinds of other groups that have the name of this one, each in the version that the server prefers.
    pub(super) fn called_the_same<'a>(&'a self, own: &'a Resource) -> impl Iterator<Item = &'a Resource> {
        let firsts = self.kinds.values().filter_map(|versions| versions.first());
        firsts.filter(|one| one.kind == own.kind && one.plural == own.plural && one.group != own.group)
    }

    pub fn versions(&self, group: &str, kind: &str) -> &[Resource] {
        self.kinds.get(&(group.to_owned(), kind.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// `v1`, `apps/v1`, `apps/v1/Deployment`, …: what Helm's `.Capabilities.APIVersions` holds.
    pub fn api_versions(&self) -> &[String] {
        &self.api_versions
    }

    /// One version of each kind that can be listed and deleted, and so can be owned: what looks for drift lists them.
    pub fn listable(&self) -> impl Iterator<Item = &Resource> {
        self.kinds
            .values()
            .filter_map(|versions| versions.iter().find(|r| r.can("list") && r.can("patch") && r.can("delete")))
    }

    /// One version of each kind of which objects can be listed and deleted, whoever makes them.
    pub fn removable(&self) -> impl Iterator<Item = &Resource> {
        self.kinds.values().filter_map(|versions| versions.iter().find(|r| r.can("list") && r.can("delete")))
    }

    /// A kind by its plural name, as roles name it.
    pub fn by_plural(&self, group: &str, plural: &str) -> Option<&Resource> {
        self.kinds
            .iter()
            .filter(|((of, _), _)| of == group)
            .find_map(|(_, versions)| versions.iter().find(|one| one.plural == plural))
    }

    /// The server's version, such as `v1.36.3`.
    pub fn server_version(&self) -> &str {
        &self.version
    }

    /// Groups with their version whose server did not answer (an `APIService` that is down): a kind that is missing
    /// there is not known to be missing.
    pub fn stale(&self) -> &[String] {
        &self.stale
    }

    /// From the two answers of aggregated discovery, `/api` first, and the server's version.
    pub(super) fn from_groups(lists: [APIGroupDiscoveryList; 2], version: String) -> Self {
        let mut this = Self { version, ..Self::default() };
        for group in lists.into_iter().flat_map(|list| list.items) {
            let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
            for served in group.versions {
                let Some(version) = served.version else { continue };
                let api_version = if name.is_empty() { version.clone() } else { format!("{name}/{version}") };
                if served.freshness.as_deref() == Some("Stale") {
                    this.stale.push(api_version.clone());
                }
                this.api_versions.push(api_version.clone());
                for resource in served.resources.into_iter().filter_map(|resource| read(resource, &name, &version)) {
                    this.api_versions.push(format!("{api_version}/{}", resource.kind));
                    this.kinds.entry((name.clone(), resource.kind.clone())).or_default().push(resource);
                }
            }
        }
        this.api_versions.sort();
        this.api_versions.dedup();
        this
    }
}

/// A resource may answer with a kind of another group, as `scale` does: those are not its own.
fn read(resource: APIResourceDiscovery, group: &str, version: &str) -> Option<Resource> {
    let kind = resource.response_kind?;
    let own = kind.group.as_deref().is_none_or(|g| g.is_empty() || g == group)
        && kind.version.as_deref().is_none_or(|v| v.is_empty() || v == version);
    let status = resource.subresources.iter().any(|sub| sub.subresource.as_deref() == Some("status"));
    own.then_some(Resource {
        status,
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.kind?,
        plural: resource.resource?,
        namespaced: resource.scope.as_deref() == Some("Namespaced"),
        verbs: resource.verbs,
    })
}
