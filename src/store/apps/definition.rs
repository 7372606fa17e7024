//! A definition as it is stored: a form of its own, so that a key that is added to what people write changes nothing of
//! what is stored until it is added here, and one that another version has added here is passed over.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::app::{Adopt, App, Destination, DriftPolicy, IgnoreDifferences, OnDelete, Origin, Source, SyncPolicy};
use crate::ids::{AppId, ClusterName, RepoName};
use crate::render::{HelmOptions, KustomizeOptions, LoadRestriction, Nondeterministic, RenderOptions, RendererKind};
use crate::store::stored::Stored;

pub(in crate::store) const DEFINITION: Stored<AppForm> = Stored::new(
    "apps.definition",
    1,
    "It is read again from Git with the next push or resync of the repo that defines it",
);

pub(in crate::store) const APPLIED: Stored<AppForm> =
    Stored::new("apps.applied_definition", 1, "It is written again by the next sync of the app");

/// For a value that has a definition in it, as `#[serde(with = "…")]`.
pub mod as_stored {
    use super::{App, AppForm, Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(app: &App, to: S) -> Result<S::Ok, S::Error> {
        AppForm::from(app).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<App, D::Error> {
        Ok(AppForm::deserialize(from)?.into())
    }
}

/// The stored form of an [`App`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct AppForm {
    id: AppId,
    source: SourceForm,
    #[serde(default)]
    render: RenderForm,
    destination: DestinationForm,
    sync: SyncForm,
    drift: DriftForm,
    on_delete: OnDeleteForm,
    adopt: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignore_differences: Vec<IgnoreForm>,
    origin: OriginForm,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SourceForm {
    repo: RepoName,
    ref_name: String,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DestinationForm {
    cluster: ClusterName,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OriginForm {
    file: String,
    line: u32,
    #[serde(default)]
    definitions_ref: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IgnoreForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    json_pointers: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RenderForm {
    renderer: RendererForm,
    kustomize: KustomizeForm,
    helm: HelmForm,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct KustomizeForm {
    load_restriction: LoadRestrictionForm,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HelmForm {
    values_files: Vec<String>,
    values: Value,
    allow_lookup: bool,
    nondeterministic: NondeterministicForm,
}

/// An enumeration whose words are stored. One that is not known makes the definition unreadable: what an app is
/// allowed to do is not to be guessed.
macro_rules! form {
    ($form:ident of $of:ident as $case:literal: $first:ident $(, $word:ident)*) => {
        #[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = $case)]
        enum $form {
            #[default]
            $first,
            $($word,)*
        }

        impl From<$of> for $form {
            fn from(of: $of) -> Self {
                match of {
                    $of::$first => Self::$first,
                    $($of::$word => Self::$word,)*
                }
            }
        }

        impl From<$form> for $of {
            fn from(form: $form) -> Self {
                match form {
                    $form::$first => Self::$first,
                    $($form::$word => Self::$word,)*
                }
            }
        }
    };
}

form!(SyncForm of SyncPolicy as "lowercase": Auto, Manual, Never);
form!(DriftForm of DriftPolicy as "lowercase": Heal, Report, Ignore);
form!(OnDeleteForm of OnDelete as "lowercase": Keep, Prune);
form!(RendererForm of RendererKind as "lowercase": Auto, Yaml, Kustomize, Helm);
form!(LoadRestrictionForm of LoadRestriction as "camelCase": RootOnly, None);
form!(NondeterministicForm of Nondeterministic as "lowercase": Refuse, Keep);

impl From<&App> for AppForm {
    /// Each field is named, so that one that is added is not forgotten.
    fn from(app: &App) -> Self {
        let App { id, source, render, destination, sync, drift, on_delete, adopt, ignore_differences, origin } =
            app.clone();
        let Source { repo, ref_name, path } = source;
        let Destination { cluster, namespace } = destination;
        let Origin { file, line, definitions_ref } = origin;
        Self {
            id,
            source: SourceForm { repo, ref_name, path },
            render: render.into(),
            destination: DestinationForm { cluster, namespace },
            sync: sync.into(),
            drift: drift.into(),
            on_delete: on_delete.into(),
            adopt: adopt.0,
            ignore_differences: ignore_differences.into_iter().map(IgnoreForm::from).collect(),
            origin: OriginForm { file, line, definitions_ref },
        }
    }
}

impl From<AppForm> for App {
    fn from(form: AppForm) -> Self {
        let AppForm { id, source, render, destination, sync, drift, on_delete, adopt, ignore_differences, origin } =
            form;
        let SourceForm { repo, ref_name, path } = source;
        let DestinationForm { cluster, namespace } = destination;
        let OriginForm { file, line, definitions_ref } = origin;
        Self {
            id,
            source: Source { repo, ref_name, path },
            render: render.into(),
            destination: Destination { cluster, namespace },
            sync: sync.into(),
            drift: drift.into(),
            on_delete: on_delete.into(),
            adopt: Adopt(adopt),
            ignore_differences: ignore_differences.into_iter().map(IgnoreDifferences::from).collect(),
            origin: Origin { file, line, definitions_ref },
        }
    }
}

impl From<RenderOptions> for RenderForm {
    fn from(options: RenderOptions) -> Self {
        let RenderOptions { renderer, kustomize, helm } = options;
        let KustomizeOptions { load_restriction } = kustomize;
        let HelmOptions { values_files, values, allow_lookup, nondeterministic } = helm;
        Self {
            renderer: renderer.into(),
            kustomize: KustomizeForm { load_restriction: load_restriction.into() },
            helm: HelmForm { values_files, values, allow_lookup, nondeterministic: nondeterministic.into() },
        }
    }
}

impl From<RenderForm> for RenderOptions {
    fn from(form: RenderForm) -> Self {
        let RenderForm { renderer, kustomize, helm } = form;
        let KustomizeForm { load_restriction } = kustomize;
        let HelmForm { values_files, values, allow_lookup, nondeterministic } = helm;
        Self {
            renderer: renderer.into(),
            kustomize: KustomizeOptions { load_restriction: load_restriction.into() },
            helm: HelmOptions { values_files, values, allow_lookup, nondeterministic: nondeterministic.into() },
        }
    }
}

impl From<IgnoreDifferences> for IgnoreForm {
    fn from(one: IgnoreDifferences) -> Self {
        let IgnoreDifferences { group, kind, name, namespace, json_pointers } = one;
        Self { group, kind, name, namespace, json_pointers }
    }
}

impl From<IgnoreForm> for IgnoreDifferences {
    fn from(form: IgnoreForm) -> Self {
        let IgnoreForm { group, kind, name, namespace, json_pointers } = form;
        Self { group, kind, name, namespace, json_pointers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::apps::tests::app;

    /// S1: what is stored of a definition. A change of this snapshot is a change of the stored form: think of what an
    /// older version makes of it, and of what this one makes of what is stored already.
    #[test]
    fn s1_the_stored_definition() {
        let mut app = app("shop/web", "charts");
        app.render.helm = HelmOptions {
            values_files: vec!["values.yaml".into()],
            values: serde_json::json!({"replicas": 2}),
            allow_lookup: true,
            nondeterministic: Nondeterministic::Keep,
        };
        app.ignore_differences = vec![IgnoreDifferences {
            group: Some("apps".into()),
            kind: "Deployment".into(),
            name: None,
            namespace: None,
            json_pointers: vec!["/spec/replicas".into()],
        }];
        let text = DEFINITION.write(&AppForm::from(&app)).expect("written");
        let pretty: Value = serde_json::from_str(&text).expect("JSON");
        insta::assert_json_snapshot!(pretty);
        assert_eq!(App::from(DEFINITION.read("shop/web", &text).expect("read")), app);
    }

    /// S1: keys of a newer version are passed over at every level, and a policy that is not known is not guessed.
    #[test]
    fn s1_a_definition_of_a_newer_version() {
        let text = DEFINITION.write(&AppForm::from(&app("shop/web", "shop"))).expect("written");
        let mut value: Value = serde_json::from_str(&text).expect("JSON");
        for at in
            ["/data", "/data/source", "/data/render", "/data/render/helm", "/data/render/kustomize", "/data/origin"]
        {
            value.pointer_mut(at).and_then(Value::as_object_mut).expect(at).insert("fromTheFuture".into(), 1.into());
        }
        let read = DEFINITION.read("shop/web", &value.to_string()).expect("read");
        assert_eq!(App::from(read), app("shop/web", "shop"));
        value["data"]["sync"] = "onWeekdays".into();
        let error = DEFINITION.read("shop/web", &value.to_string()).expect_err("not guessed").to_string();
        assert!(
            error.contains("apps.definition") && error.contains("shop/web") && error.contains("onWeekdays"),
            "{error}"
        );
    }
}
