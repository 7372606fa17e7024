//! Driftless' marks on an object: the app and the instance that it belongs to.
//!
//! The label is for selectors, the annotation names the owner. Controllers copy labels and sometimes annotations to the
//! objects that they create (from a Service to its Endpoints), so the annotation names its own object and is ignored on
//! any other.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::ids::AppId;
use crate::manifest::ObjectId;

pub const APP_LABEL: &str = "driftless.dev/app";
pub const OWNER_ANNOTATION: &str = "driftless.dev/owner";

/// The marks that one app of one instance puts on its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    instance: String,
    app: AppId,
    label: String,
}

/// Whose mark an object bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    Ours,
    /// Another app's, or another instance's.
    Other {
        instance: String,
        app: String,
    },
    /// None, or one that was copied from another object.
    No,
}

impl Marks {
    pub fn new(instance: &str, app: &AppId) -> Self {
        // A byte that no name contains keeps ("a", "b/c") apart from ("a/b", "c").
        let identity = [instance, app.repo.as_str(), &app.name].join("\0");
        let label = hex::encode(&Sha256::digest(identity)[..16]);
        Self { instance: instance.to_owned(), app: app.clone(), label }
    }

    pub fn app(&self) -> &AppId {
        &self.app
    }

    pub fn is_instance(&self, instance: &str) -> bool {
        self.instance == instance
    }

    /// 32 hexadecimal digits: a whole SHA-256 is too long for a label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Selects the objects of this app, for a list or a watch.
    pub fn selector(&self) -> String {
        format!("{APP_LABEL}={}", self.label)
    }

    /// `INSTANCE:REPO/APP:GROUP/KIND:NAMESPACE/NAME`, with an empty group or namespace where there is none.
    pub fn owner(&self, id: &ObjectId) -> String {
        let ObjectId { group, kind, namespace, name } = id;
        let namespace = namespace.as_deref().unwrap_or_default();
        format!("{}:{}:{group}/{kind}:{namespace}/{name}", escape(&self.instance), escape(&self.app.to_string()))
    }

    /// Puts the marks on an object.
    pub fn put(&self, object: &mut Value, id: &ObjectId) {
        for (field, name, value) in
            [("labels", APP_LABEL, self.label.clone()), ("annotations", OWNER_ANNOTATION, self.owner(id))]
        {
            let Some(entries) = object.get_mut("metadata").and_then(|metadata| entries(metadata, field)) else {
                continue;
            };
            entries.insert(name.to_owned(), Value::from(value));
        }
    }

    /// Whether an object has this app's label.
    pub fn has_label(&self, object: &Value) -> bool {
        object.pointer("/metadata/labels").and_then(|labels| labels.get(APP_LABEL)?.as_str()) == Some(&self.label)
    }

    /// Reads the marks of an object that has the name `id`.
    pub fn read(&self, object: &Value, id: &ObjectId) -> Marked {
        let annotation =
            object.pointer("/metadata/annotations").and_then(|annotations| annotations.get(OWNER_ANNOTATION));
        self.read_annotation(annotation.and_then(Value::as_str), id)
    }

    /// The same by the value of [`OWNER_ANNOTATION`] alone.
    pub fn read_annotation(&self, value: Option<&str>, id: &ObjectId) -> Marked {
        match value.and_then(Owner::parse) {
            Some(owner) if !owner.names(id) => Marked::No,
            Some(owner) if owner.instance == self.instance && owner.app == self.app.to_string() => Marked::Ours,
            Some(Owner { instance, app, .. }) => Marked::Other { instance, app },
            None => Marked::No,
        }
    }
}

/// The annotation, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub instance: String,
    /// `REPO/APP`.
    pub app: String,
    pub object: ObjectId,
}

impl Owner {
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.splitn(4, ':');
        let (instance, app, kind, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (group, kind) = kind.split_once('/')?;
        let (namespace, name) = name.split_once('/')?;
        let namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
        let object = ObjectId { group: group.to_owned(), kind: kind.to_owned(), namespace, name: name.to_owned() };
        Some(Self { instance: unescape(instance), app: unescape(app), object })
    }

    /// Whether it is the mark of this very object, and not one that was copied from another.
    pub fn names(&self, id: &ObjectId) -> bool {
        self.object == *id
    }
}

fn entries<'a>(metadata: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    let entry = metadata.as_object_mut()?.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if entry.is_null() {
        *entry = Value::Object(Map::new());
    }
    entry.as_object_mut()
}

/// Whether a manifest bears a mark of ours already: such a manifest is refused.
pub fn is_marked(object: &Value) -> bool {
    let has = |field: &str, name| object.pointer(field).is_some_and(|entries| entries.get(name).is_some());
    has("/metadata/labels", APP_LABEL) || has("/metadata/annotations", OWNER_ANNOTATION)
}

/// Whether two states of an object bear one owner's mark.
pub fn bears_same_mark(live: &Value, desired: &Value) -> bool {
    let mark = |object: &Value| {
        object.pointer("/metadata/annotations").and_then(|annotations| annotations.get(OWNER_ANNOTATION)).cloned()
    };
    mark(desired).is_some() && mark(live) == mark(desired)
}

const MARKS: [(&str, &str); 2] = [("labels", APP_LABEL), ("annotations", OWNER_ANNOTATION)];

/// The fields of our marks that differ between two states of an object.
pub(super) fn differing(before: &Value, after: &Value) -> Vec<String> {
    let value = |object: &Value, (field, name): (&str, &str)| object["metadata"][field].get(name).cloned();
    let differs = MARKS.into_iter().filter(|mark| value(before, *mark) != value(after, *mark));
    differs.map(|(field, name)| format!("metadata.{field}[{name}]")).collect()
}

/// A sentence, where what an apply has come to does not bear the marks that were sent: the cluster took them off.
pub fn taken_off(sent: &Value, answer: &Value) -> Option<String> {
    let has = |object: &Value, (field, name): (&str, &str)| object["metadata"][field].get(name).cloned();
    let gone = MARKS.into_iter().filter(|mark| has(sent, *mark).is_some() && has(answer, *mark) != has(sent, *mark));
    let gone: Vec<String> = gone.map(|(field, name)| format!("the {} `{name}`", field.trim_end_matches('s'))).collect();
    let gone = gone.join(" and ");
    (!gone.is_empty()).then(|| {
        format!(
            "The cluster removes {gone} from this object, so Driftless will not delete it. Exempt `driftless.dev/` \
             from the policy or webhook that removes it"
        )
    })
}

/// Takes the marks off, for what is shown and compared.
pub fn strip(object: &mut Value) {
    for (field, name) in MARKS {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        let Some(entries) = metadata.get_mut(field).and_then(Value::as_object_mut) else { continue };
        if entries.shift_remove(name).is_some() && entries.is_empty() {
            metadata.shift_remove(field);
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace(':', "%3A")
}

fn unescape(text: &str) -> String {
    text.replace("%3A", ":").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::ids::RepoName;

    fn id(kind: &str, namespace: Option<&str>, name: &str) -> ObjectId {
        ObjectId {
            group: String::new(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    fn marks(instance: &str, app: &str) -> Marks {
        Marks::new(instance, &AppId::new(&RepoName::new("shop"), app))
    }

    #[test]
    fn a_mark_counts_only_on_the_object_that_it_names() {
        let (ours, service) = (marks("driftless", "web"), id("Service", Some("shop"), "web"));
        let mut object = json!({"metadata": {"name": "web", "labels": null}});
        ours.put(&mut object, &service);
        insta::assert_snapshot!(object, @r#"{"metadata":{"name":"web","labels":{"driftless.dev/app":"00591f88ff46b5a917f312679e81f120"},"annotations":{"driftless.dev/owner":"driftless:shop/web:/Service:shop/web"}}}"#);
        assert_eq!(ours.read(&object, &service), Marked::Ours);
        assert_eq!(ours.read(&object, &id("Endpoints", Some("shop"), "web")), Marked::No);
        let other = Marked::Other { instance: "driftless".to_owned(), app: "shop/web".to_owned() };
        assert_eq!(marks("driftless", "api").read(&object, &service), other);
        assert_eq!(marks("staging", "web").read(&object, &service), other);
        assert!(is_marked(&object));
        strip(&mut object);
        assert_eq!(object, json!({"metadata": {"name": "web"}}));
    }

    #[test]
    fn the_label_is_the_identity_of_instance_repo_and_name() {
        let label =
            |instance, repo, app: &str| Marks::new(instance, &AppId::new(&RepoName::new(repo), app)).label().to_owned();
        assert_eq!(label("a", "b", "c").len(), 32);
        assert_eq!(label("a", "b", "c"), label("a", "b", "c"));
        assert_ne!(label("a", "b", "c"), label("ab", "", "c"));
        assert_ne!(label("a", "b", "c"), label("a", "bc", ""));
    }

    proptest! {
        #[test]
        fn every_name_is_read_as_it_was_written(instance in "[ -~]{1,20}", app in "[a-z%:]{1,12}",
            namespace in proptest::option::of("[a-z-]{1,9}"), name in "[a-z:.%]{1,20}") {
            let (marks, id) = (marks(&instance, &app), id("Role", namespace.as_deref(), &name));
            let owner = Owner::parse(&marks.owner(&id)).expect("ours");
            prop_assert_eq!((owner.instance, owner.app, owner.object), (instance, format!("shop/{app}"), id));
        }

        #[test]
        fn no_annotation_is_too_odd(value in ".{0,60}") {
            let _ = marks("driftless", "web").read_annotation(Some(&value), &id("Role", None, "x"));
        }
    }

    /// C3+: a mark that somebody took off is named as what differs, and one that the cluster takes off at each write is
    /// told.
    #[test]
    fn a_mark_that_is_gone_is_named() {
        let id = id("ConfigMap", Some("shop"), "a");
        let mut sent = json!({"metadata": {"name": "a", "labels": {"own": "x"}}});
        Marks::new("driftless", &AppId::new(&RepoName::new("shop"), "web")).put(&mut sent, &id);
        let mut live = sent.clone();
        assert!(differing(&live, &sent).is_empty() && taken_off(&sent, &live).is_none());
        live["metadata"]["labels"] = json!({"own": "y"});
        assert_eq!(differing(&live, &sent), ["metadata.labels[driftless.dev/app]"]);
        assert_eq!(
            taken_off(&sent, &live).expect("a sentence"),
            "The cluster removes the label `driftless.dev/app` from this object, so Driftless will not delete it. Exempt `driftless.dev/` from the policy or webhook that removes it"
        );
        live["metadata"]["annotations"] = json!({});
        assert!(
            taken_off(&sent, &live).is_some_and(|said| said.contains("app` and the annotation `driftless.dev/owner`"))
        );
    }
}
