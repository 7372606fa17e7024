//! Reports for the tests of the texts.

use crate::ids::{AppId, ClusterName, RepoName};
use crate::manifest::ObjectKey;
use crate::plan::{Action, Cause, Conflict, Highlight, NotValidated, RefusedBy, TakeOver, Verdict};
use crate::redact::Known;

use super::preview::{
    AppEnd, AppOutcome, AppReport, AppResult, DefinitionChange, Difference, DifferenceKind, ObjectReport, Outcome,
    PreviewReport, Previewed,
};

pub(crate) fn key(kind: &str, name: &str) -> ObjectKey {
    let group = if kind == "Deployment" { "apps" } else { "" };
    ObjectKey {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

pub(crate) fn object(action: Action, key: ObjectKey, diff: &str) -> ObjectReport {
    ObjectReport {
        key,
        action,
        verdict: Verdict::Accepted,
        refused_by: RefusedBy::Server,
        diff: Some(Known::default().hide(diff)),
        origin: Some("apps/shop/web.yaml".into()),
        conflicts: vec![],
        live: Vec::new(),
        takes_over: None,
        drops: vec![],
        moves_to: None,
        kept: false,
        warnings: vec![],
        highlights: Vec::new(),
        replaces_name: None,
        referrers: vec![],
    }
}

pub(crate) fn app(name: &str, objects: Vec<ObjectReport>) -> AppReport {
    AppReport {
        app: AppId::new(&RepoName::new("shop"), name),
        cluster: ClusterName::new("prod"),
        leaves: false,
        definition: DefinitionChange::None,
        definition_diff: None,
        policies: Vec::new(),
        stays: None,
        result: AppResult::Planned { objects },
        destructive: vec![],
        approved_by: None,
        called_off: vec![],
        before: vec![],
        warnings: vec![],
        held_back: None,
        waits_for: None,
        rendered_from: None,
    }
}

pub(crate) fn report(apps: Vec<AppReport>) -> PreviewReport {
    PreviewReport {
        repo: RepoName::new("shop"),
        number: Some(7),
        head: "a1".repeat(20).parse().expect("an id"),
        base: "b2".repeat(20).parse().expect("an id"),
        base_ref: "main".into(),
        at: "2026-03-04T05:06:07Z".parse().expect("a time"),
        stopped: None,
        apps,
        outcome: None,
    }
}

/// Three apps in which everything happens, with `text` wherever somebody else's words stand.
pub(crate) fn everything(text: &str) -> PreviewReport {
    let named = |name: &str| key("ConfigMap", &format!("{name}{text}"));
    let mut update = object(
        Action::Update,
        key("Deployment", &format!("web{text}")),
        &format!(" spec:\n-  replicas: 1\n+  replicas: 2\n+  {text}"),
    );
    update.conflicts = vec![Conflict { field: format!(".spec.replicas{text}"), manager: format!("hpa{text}") }];
    update.highlights = vec![
        Highlight::Image { from: format!("web:1{text}"), to: format!("web:2{text}") },
        Highlight::Replicas { from: 1, to: 2 },
        Highlight::Restart,
        Highlight::Host { name: format!("shop.test{text}") },
    ];
    update.warnings = vec![format!("v1 is deprecated{text}")];
    let mut delete = object(Action::Prune, named("old"), &format!("-kind: ConfigMap\n-{text}"));
    delete.referrers = vec![key("Deployment", &format!("web{text}"))];
    let mut fresh = object(Action::Create, named("fresh"), &format!("+kind: ConfigMap\n+{text}"));
    fresh.verdict =
        Verdict::NotValidated { reason: NotValidated::NamespaceInPlan { namespace: format!("shop{text}") } };
    fresh.takes_over = Some(TakeOver::OtherTool { tool: format!("Helm{text}"), name: format!("release{text}") });
    fresh.drops = vec![format!("spec.replicas{text}")];
    let mut bad = object(Action::Update, named("bad"), "-a: 1\n+a: b");
    let causes = vec![Cause { field: Some(format!("data{text}")), message: format!("must be text{text}") }];
    bad.verdict = Verdict::Rejected { message: format!("ConfigMap is invalid{text}"), causes };
    bad.replaces_name = Some(named("bad-1"));
    bad.origin = Some(format!("apps/{text}.yaml"));
    let mut eu = app(&format!("shop-eu{text}"), vec![update, delete]);
    eu.destructive = vec![format!("it deletes 1 of 2 objects{text}")];
    eu.before = vec![Difference { key: named("cfg"), kind: DifferenceKind::Drift, detail: format!(".data.a{text}") }];
    eu.warnings = vec![format!("rendered twice{text}")];
    let mut us = app("shop-us", vec![fresh, bad]);
    us.definition = DefinitionChange::Edited;
    let mut cn = app("shop-cn", vec![]);
    cn.result = AppResult::RenderFailed {
        message: format!("no such file\n{text}"),
        file: Some(format!("kustomization.yaml{text}")),
    };
    let mut report = report(vec![eu, us, cn]);
    report.base_ref = format!("main{text}");
    report
}

/// So many objects of an app need confirmation.
pub(crate) fn waiting(deletes: u32, objects: &[&str]) -> AppEnd {
    let objects = objects.iter().map(|object| (*object).to_owned()).collect();
    AppEnd::Waiting { deletes, objects, held: Vec::new(), after_seconds: 3, removed: 0, kept: Vec::new() }
}

pub(crate) fn merged(text: &str) -> PreviewReport {
    let end = |app: &AppReport, end| AppOutcome {
        app: app.app.clone(),
        cluster: app.cluster.clone(),
        end,
        later: Vec::new(),
    };
    let mut report = everything(text);
    let apps = vec![
        end(&report.apps[0], AppEnd::Healthy { after_seconds: 75, removed: 0, held: Vec::new(), kept: Vec::new() }),
        end(&report.apps[1], AppEnd::Failed { message: format!("Deployment shop/web: image not found\n{text}") }),
        end(&report.apps[2], waiting(5, &[])),
    ];
    report.outcome = Some(Outcome {
        merged_as: "c3".repeat(20).parse().expect("an id"),
        apps,
        people: Vec::new(),
        differs: Vec::new(),
        definitions: Vec::new(),
        previewed: Previewed::Shown,
        head: None,
        compared: None,
    });
    report
}
