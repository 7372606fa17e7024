//! Reads, applies, patches and deletes objects, one request each.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::{self, Missing};
use super::connect::Cluster;
use super::discovery::Resource;
use super::error::{ApplyError, ClusterError};
use super::exchange::{Answer, Ask};
use super::propagation::Propagation;
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::deletion::{Deletable, MayDelete};

const APPLY: &str = "application/apply-patch+yaml";
const JSON_PATCH: &str = "application/json-patch+json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApplyMode {
    /// Ask what would happen and change nothing.
    pub dry_run: bool,
    /// Take the fields that other managers own.
    pub force: bool,
}

/// The object as the server holds it after an apply, or would hold it.
#[derive(Clone)]
pub struct Applied {
    pub object: Value,
    /// Texts of the server, such as that an API is deprecated.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applied").field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is no longer there.
    Gone,
    /// It is being deleted: finalizers or a grace period keep it for now.
    Accepted,
    /// It was not there.
    NotFound,
}

impl Cluster {
    /// The object, or None where there is none. An unknown kind is an error.
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<Value>, ClusterError> {
        let answer = self.ask(&Ask::get(self.path(key).await?)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return match answer::missing(&answer) {
                Missing::Object => Ok(None),
                Missing::Kind => Err(self.unknown(key)),
            };
        }
        answer::json(self.name(), &answer, Some(key)).map(Some)
    }

    /// The same where its version is not served, or not any more: then in the version that the server prefers.
    pub async fn get_in_any_version(&self, key: &ObjectKey) -> Result<Option<Value>, ClusterError> {
        let unknown = match self.get(key).await {
            Err(unknown @ ClusterError::UnknownKind { .. }) => unknown,
            found => return found,
        };
        let fresh = self.discovery_not_older_than(super::discovery::SECOND_LOOK).await?;
        match fresh.preferred(&key.group, &key.kind) {
            Some(other) if other.version != key.version => {
                self.get(&ObjectKey { version: other.version.clone(), ..key.clone() }).await
            }
            _ => Err(unknown),
        }
    }

    /// The quotas of a namespace. None where there is no such namespace, or where we may not read them.
    pub async fn quotas(&self, namespace: &str) -> Result<Vec<Value>, ClusterError> {
        Ok(self.limits("resourcequotas", namespace).await?.unwrap_or_default())
    }

    /// The `LimitRange`s of a namespace, of which there are none without a namespace. None where we may not read them.
    pub async fn limit_ranges(&self, namespace: &str) -> Result<Option<Vec<Value>>, ClusterError> {
        self.limits("limitranges", namespace).await
    }

    async fn limits(&self, plural: &str, namespace: &str) -> Result<Option<Vec<Value>>, ClusterError> {
        let target = format!("/api/v1/namespaces/{}/{plural}", segment(namespace)?);
        let answer = self.ask(&Ask::get(target)).await?;
        match answer.status {
            StatusCode::FORBIDDEN => return Ok(None),
            StatusCode::NOT_FOUND => return Ok(Some(Vec::new())),
            _ => {}
        }
        let list: Value = answer::json(self.name(), &answer, None)?;
        Ok(Some(list["items"].as_array().cloned().unwrap_or_default()))
    }

    /// Server-side apply under our field manager.
    pub async fn apply(&self, key: &ObjectKey, object: &Value, mode: ApplyMode) -> Result<Applied, ApplyError> {
        let path = match self.path(key).await {
            Err(ClusterError::UnknownKind { group, version, kind, .. }) => {
                return Err(ApplyError::UnknownKind { group, version, kind });
            }
            path => path?,
        };
        let ApplyMode { dry_run, force } = mode;
        let target =
            format!("{path}?fieldManager={}&force={force}{}", encode(&self.inner.field_manager), dry(dry_run, '&'));
        let answer = self.ask(&patch(target, APPLY, object)).await?;
        if !answer.status.is_success() {
            return Err(answer::refusal(self.name(), key, dry_run, &answer));
        }
        let warnings = answer::warnings(key, &answer.headers);
        Ok(Applied { object: answer::json(self.name(), &answer, Some(key))?, warnings })
    }

    /// Makes an object that is not there. Nobody's fields are taken by it: where the name is taken it fails.
    pub async fn create(&self, key: &ObjectKey, object: &Value) -> Result<Value, ApplyError> {
        let answer = self.post(key, object, false).await?;
        if !answer.status.is_success() {
            return Err(answer::refusal(self.name(), key, false, &answer));
        }
        Ok(answer::json(self.name(), &answer, Some(key))?)
    }

    /// Asks whether the server would take a new object under a name that is taken: whoever may refuse it is asked
    /// before the name is looked up, so that an answer that the name is taken means that nothing else is in the way.
    pub async fn try_create(&self, key: &ObjectKey, object: &Value) -> Result<(), ApplyError> {
        let answer = self.post(key, object, true).await?;
        if answer.status.is_success() || answer::is_name_taken(&answer) {
            return Ok(());
        }
        Err(answer::refusal(self.name(), key, true, &answer))
    }

    async fn post(&self, key: &ObjectKey, object: &Value, dry_run: bool) -> Result<Answer, ClusterError> {
        let path = self.path(key).await?;
        let collection = path.rsplit_once('/').map_or(path.as_str(), |(collection, _)| collection);
        let target = format!("{collection}?fieldManager={}{}", encode(&self.inner.field_manager), dry(dry_run, '&'));
        let body = Some(("application/json", Bytes::from(object.to_string())));
        self.ask(&Ask { method: Method::POST, target, accept: "application/json", body }).await
    }

    /// A JSON patch (RFC 6902) and the object after it. One that does not fit the object, as when a `test` in it fails,
    /// is a [`ClusterError::Conflict`].
    pub async fn patch_json(&self, key: &ObjectKey, operations: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        let target = format!("{}{}", self.path(key).await?, dry(dry_run, '?'));
        let answer = self.ask(&patch(target, JSON_PATCH, operations)).await?;
        if answer::does_not_fit(&answer) {
            let message = format!("{key} has changed since the patch was made");
            return Err(ClusterError::Conflict { cluster: self.name().clone(), message });
        }
        answer::json(self.name(), &answer, Some(key))
    }

    /// Deletes the very object that was looked at, in the version that was looked at: by its uid, and not if it has
    /// changed since. An object of a kind that is no longer served is gone with it. What a replaced one owns goes in
    /// the background, whatever is configured.
    pub async fn delete(&self, key: &ObjectKey, may_delete: &MayDelete) -> Result<Deleted, ClusterError> {
        let mut preconditions = json!({"uid": may_delete.uid()});
        if let Some(version) = may_delete.resource_version() {
            preconditions["resourceVersion"] = version.into();
        }
        let propagation = if may_delete.is_replaced() { Propagation::Background } else { self.inner.propagation };
        self.delete_with(key, &json!({"preconditions": preconditions, "propagationPolicy": propagation.name()})).await
    }

    /// Asks whether the server would delete the object, whatever its version is by now.
    pub async fn try_delete(&self, key: &ObjectKey, object: &Deletable) -> Result<Deleted, ClusterError> {
        self.delete_with(key, &json!({"preconditions": {"uid": object.uid()}, "dryRun": ["All"]})).await
    }

    async fn delete_with(&self, key: &ObjectKey, more: &Value) -> Result<Deleted, ClusterError> {
        let path = match self.path(key).await {
            Err(ClusterError::UnknownKind { .. }) => return Ok(Deleted::NotFound),
            path => path?,
        };
        let mut options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": Propagation::Background.name()});
        for (name, value) in more.as_object().into_iter().flatten() {
            options[name] = value.clone();
        }
        let body = Some(("application/json", Bytes::from(options.to_string())));
        let answer = self.ask(&Ask { method: Method::DELETE, target: path, accept: "application/json", body }).await?;
        self.deleted(key, &answer)
    }

    fn deleted(&self, key: &ObjectKey, answer: &Answer) -> Result<Deleted, ClusterError> {
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Deleted::NotFound);
        }
        if let Some(error) = answer::webhook_without_dry_run(answer) {
            return Err(error);
        }
        // The answer is a Status, or the object as it was or now is.
        let body: Value = answer::json(self.name(), answer, Some(key))?;
        Ok(if body.pointer("/metadata/deletionTimestamp").is_some() { Deleted::Accepted } else { Deleted::Gone })
    }

    /// The live object where the conversion webhook of its kind keeps it from being read in the version of this key:
    /// the version in which it is stored needs none. `unread`: the error with which it was read.
    pub async fn get_unconverted(
        &self,
        key: &ObjectKey,
        unread: ClusterError,
    ) -> Result<Option<(ObjectKey, Value)>, ClusterError> {
        let discovery = self.discovery().await?;
        let others = discovery.versions(&key.group, &key.kind).iter().filter(|other| other.version != key.version);
        for other in others {
            let key = ObjectKey { version: other.version.clone(), ..key.clone() };
            match self.get(&key).await {
                Err(error) if error.is_conversion() || matches!(error, ClusterError::UnknownKind { .. }) => {}
                found => return Ok(found?.map(|live| (key, live))),
            }
        }
        Err(unread)
    }

    /// Names an object in the version that the server prefers now.
    pub async fn locate(&self, id: &ObjectId) -> Result<ObjectKey, ClusterError> {
        let ObjectId { group, kind, namespace, name } = id.clone();
        let unversioned = ObjectKey { group, version: String::new(), kind, namespace, name };
        let resource = self.resource(&unversioned).await?;
        Ok(ObjectKey { version: resource.version, ..unversioned })
    }

    /// How the kind of an object is served; any version where the key has none. What is not known is looked for once
    /// more.
    pub async fn resource(&self, key: &ObjectKey) -> Result<Resource, ClusterError> {
        let find = |discovery: &super::Discovery| {
            let found = match key.version.as_str() {
                "" => discovery.preferred(&key.group, &key.kind),
                version => discovery.resolve(&key.group, version, &key.kind),
            };
            found.cloned()
        };
        if let Some(found) = find(&*self.discovery().await?) {
            return Ok(found);
        }
        let fresh = self.discovery_not_older_than(super::discovery::SECOND_LOOK).await?;
        find(&fresh).ok_or_else(|| self.missing_kind(key, &fresh))
    }

    /// A group whose server is down is missing for now only.
    fn missing_kind(&self, key: &ObjectKey, discovery: &super::Discovery) -> ClusterError {
        match discovery.stale().iter().find(|stale| stale.split('/').next() == Some(&key.group)) {
            Some(stale) => {
                let message = format!("the kinds of {stale} are unknown, because its API server does not answer");
                ClusterError::Failed { cluster: self.name().clone(), status: 503, message, after: None }
            }
            None => self.unknown(key),
        }
    }

    fn unknown(&self, key: &ObjectKey) -> ClusterError {
        let ObjectKey { group, version, kind, .. } = key.clone();
        ClusterError::UnknownKind { cluster: self.name().clone(), group, version, kind }
    }

    async fn path(&self, key: &ObjectKey) -> Result<String, ClusterError> {
        let resource = self.resource(key).await?;
        let (root, plural, name) = (resource.root(), &resource.plural, segment(&key.name)?);
        if !resource.namespaced {
            return Ok(format!("{root}/{plural}/{name}"));
        }
        let namespace = key.namespace.as_deref().ok_or_else(|| ClusterError::NoNamespace { key: key.clone() })?;
        Ok(format!("{root}/namespaces/{}/{plural}/{name}", segment(namespace)?))
    }
}

fn patch(target: String, content_type: &'static str, body: &Value) -> Ask {
    let body = Some((content_type, Bytes::from(body.to_string())));
    Ask { method: Method::PATCH, target, accept: "application/json", body }
}

fn dry(dry_run: bool, separator: char) -> String {
    if dry_run { format!("{separator}dryRun=All") } else { String::new() }
}

/// For a query.
pub(super) fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A name as a segment of a path. What would change the path never gets there.
pub(super) fn segment(name: &str) -> Result<&str, ClusterError> {
    if crate::manifest::fits_a_path(name) { Ok(name) } else { Err(ClusterError::BadName { what: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_lead_to_another_path() {
        for name in ["web", "system:node", "kube-dns.v1", "a@b"] {
            assert!(segment(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a%2fb", "a?b", "a#b", "a b", "ä", "a\nb"] {
            assert!(matches!(segment(name), Err(ClusterError::BadName { .. })), "{name}");
        }
    }
}
