//! Metadata lists, which detect drift without reading whole objects.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;
use super::connect::Cluster;
use super::discovery::Resource;
use super::error::ClusterError;
use super::exchange::Ask;
use super::objects::{encode, segment};

const ACCEPT: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const PAGE: usize = 500;
/// How often a list begins again because its place in the history was forgotten.
const RESTARTS: usize = 3;

/// The metadata of all objects of a kind, as of one version of the cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetadataList {
    pub items: Vec<PartialMeta>,
    pub resource_version: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PartialMeta {
    pub name: String,
    pub namespace: Option<String>,
    pub uid: String,
    pub resource_version: String,
    /// Not every kind has one.
    pub generation: Option<i64>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub owner_references: Vec<OwnerReference>,
    pub managed_fields: Vec<ManagedEntry>,
    pub deletion_timestamp: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
    pub controller: bool,
}

/// Which fields a manager set, when, and how.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ManagedEntry {
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    pub api_version: String,
    /// RFC 3339 with a resolution of a second; some entries have none.
    pub time: Option<String>,
    pub subresource: Option<String>,
    #[serde(rename = "fieldsV1")]
    pub fields: Value,
}

impl PartialMeta {
    /// Reads the metadata of a whole object.
    pub fn of(object: &Value) -> Option<Self> {
        serde::Deserialize::deserialize(object.get("metadata")?).ok()
    }

    /// An object of which only what tells whose it is is known.
    pub fn as_object(&self) -> Value {
        let owners = self.owner_references.iter().map(
            |owner| json!({"kind": owner.kind, "name": owner.name, "uid": owner.uid, "controller": owner.controller}),
        );
        json!({"metadata": {
            "labels": self.labels,
            "annotations": self.annotations,
            "uid": self.uid,
            "resourceVersion": self.resource_version,
            "ownerReferences": owners.collect::<Vec<_>>(),
        }})
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    metadata: PageMeta,
    /// An empty list of metadata says `null`.
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct PageMeta {
    #[serde(rename = "continue")]
    token: Option<String>,
    resource_version: String,
    /// How many objects there are beyond the page, as far as the server says.
    remaining_item_count: Option<u64>,
}

#[derive(Deserialize)]
struct Item {
    metadata: PartialMeta,
}

impl Cluster {
    /// All objects of a kind in the whole cluster, by pages. Begins again where the server has forgotten the list's
    /// place (410).
    pub async fn list_metadata(
        &self,
        resource: &Resource,
        label_selector: Option<&str>,
    ) -> Result<MetadataList, ClusterError> {
        self.list_metadata_in(resource, None, label_selector).await
    }

    /// The same in one namespace, for those who may not list in all of them.
    pub async fn list_metadata_in(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        label_selector: Option<&str>,
    ) -> Result<MetadataList, ClusterError> {
        for _ in 0..RESTARTS {
            if let Some(list) = self.pages(resource, namespace, label_selector).await? {
                return Ok(list);
            }
        }
        let message = format!("the list of {} expired {RESTARTS} times while it was being read", resource.plural);
        Err(ClusterError::Conflict { cluster: self.name().clone(), message })
    }

    /// The first page of a kind, in one namespace or in all, and how many more objects there are at least.
    pub async fn list_some(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Result<(Vec<PartialMeta>, u64), ClusterError> {
        let target = page_target(resource, namespace, None, None)?;
        let answer = self.ask(&Ask { accept: ACCEPT, ..Ask::get(target) }).await?;
        let page: Page = answer::json(self.name(), &answer, None)?;
        let goes_on = page.metadata.token.is_some_and(|token| !token.is_empty());
        let more = page.metadata.remaining_item_count.unwrap_or(u64::from(goes_on));
        Ok((page.items.into_iter().flatten().map(|item| item.metadata).collect(), more))
    }

    /// None where the list has to begin again.
    async fn pages(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        label_selector: Option<&str>,
    ) -> Result<Option<MetadataList>, ClusterError> {
        let mut list = MetadataList::default();
        let mut token = None;
        loop {
            let target = page_target(resource, namespace, label_selector, token.as_deref())?;
            let answer = self.ask(&Ask { accept: ACCEPT, ..Ask::get(target) }).await?;
            if answer.status == StatusCode::GONE {
                return Ok(None);
            }
            let page: Page = answer::json(self.name(), &answer, None)?;
            list.items.extend(page.items.into_iter().flatten().map(|item| item.metadata));
            list.resource_version = page.metadata.resource_version;
            token = page.metadata.token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(Some(list));
            }
        }
    }
}

fn page_target(
    resource: &Resource,
    namespace: Option<&str>,
    label_selector: Option<&str>,
    token: Option<&str>,
) -> Result<String, ClusterError> {
    let within =
        namespace.map(|namespace| Ok(format!("/namespaces/{}", segment(namespace)?))).transpose()?.unwrap_or_default();
    let mut target = format!("{}{within}/{}?limit={PAGE}", resource.root(), segment(&resource.plural)?);
    for (name, value) in [("labelSelector", label_selector), ("continue", token)] {
        if let Some(value) = value {
            target = format!("{target}&{name}={}", encode(value));
        }
    }
    Ok(target)
}
