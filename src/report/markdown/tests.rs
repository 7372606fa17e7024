//! The comment as people see it.

use super::comment;
pub(crate) use super::hostile_tests::check;
use crate::forge::{GITHUB, GITLAB};
use crate::ids::RepoName;
use crate::manifest::ObjectKey;
use crate::plan::Action;
use crate::report::preview::{
    AppEnd, AppResult, DefinitionChange, Differs, DiffersAt, HeldBack, PreviewReport, RenderedFrom, Stopped,
};
use crate::report::sample::{app, everything, key, merged, object, report};

/// As the configuration has it where it says nothing.
pub(super) const MOST_PARTS: usize = 10;

fn one(report: &PreviewReport) -> String {
    let parts = comment(report, &[], MOST_PARTS, &GITHUB);
    assert_eq!(parts.len(), 1);
    parts.into_iter().next().expect("one part")
}

#[test]
fn everything_at_once() {
    insta::assert_snapshot!(one(&everything("")));
}

/// P4: a rule of our own configuration is not shown as the server's refusal.
#[test]
fn a_rule_of_ours_is_not_the_servers_refusal() {
    let mut refused = object(Action::Create, key("ConfigMap", "a"), "+a: b");
    let message = "no entry of repos[shop].allow.namespaces matches \"kube-system\"".to_owned();
    refused.verdict = crate::plan::Verdict::Rejected { message, causes: Vec::new() };
    refused.refused_by = crate::plan::RefusedBy::Configuration;
    let report = report(vec![app("web", vec![refused])]);
    let text = one(&report);
    assert!(text.contains("the configuration of Driftless does not allow `ConfigMap shop/a`"), "{text}");
    assert!(text.contains("Not allowed by the configuration of Driftless"), "{text}");
    assert!(!text.contains("server rejects") && !text.contains("Rejected by"), "{text}");
    let status = crate::report::gate(&report, "driftless", None, &GITHUB);
    assert_eq!(status.state, crate::forge::StatusState::Failure);
    assert!(status.description.starts_with("1 not allowed (web)"), "{}", status.description);
}

#[test]
fn what_is_replaced() {
    let set = object(Action::Replace, key("StatefulSet", "db"), " spec:\n-  serviceName: one\n+  serviceName: two");
    let mut set = crate::report::preview::ObjectReport { referrers: vec![], ..set };
    set.warnings = vec![
        "Deleted and created again, because spec cannot change. The new one was validated under another name.".into(),
    ];
    let mut crd = object(Action::Replace, key("CustomResourceDefinition", "things.example.com"), "-a\n+b");
    crd.verdict = crate::plan::Verdict::NotValidated { reason: crate::plan::NotValidated::Replaced };
    let mut shop = app("shop-eu", vec![set, crd]);
    shop.destructive = vec!["replaces StatefulSet shop/db and with it its pods and what they hold".into()];
    insta::assert_snapshot!(one(&report(vec![shop])));
}

#[test]
fn after_the_merge() {
    insta::assert_snapshot!(one(&merged("")));
}

/// P3+: where something of an app is rejected nothing of it is applied: no deletion is announced, and none is to be
/// confirmed.
#[test]
fn what_is_rejected_deletes_nothing() {
    let mut taken = object(Action::Create, key("Service", "new"), "+a");
    taken.verdict = crate::plan::Verdict::Rejected { message: "the port is allocated".into(), causes: Vec::new() };
    let mut shop = app("shop-eu", vec![taken, object(Action::Prune, key("Service", "old"), "-a")]);
    shop.destructive = vec!["deletes Service shop/old".into()];
    let text = one(&report(vec![shop]));
    assert!(!text.contains("DELETES") && !text.contains("--allow-destructive"), "{text}");
}

/// P3: what would fail is said first, and what is refused changes nothing.
#[test]
fn the_first_line_of_each_case() {
    let update = || object(Action::Update, key("Deployment", "web"), "-a\n+b");
    let mut quiet = object(Action::None, key("Deployment", "web"), "");
    quiet.diff = None;
    let stopped = |stopped| PreviewReport { stopped: Some(stopped), ..report(vec![]) };
    let mut removed = update();
    removed.action = Action::Prune;
    let mut replaced = update();
    replaced.action = Action::Replace;
    let mut renamed = update();
    renamed.replaces_name = Some(key("Deployment", "web-1"));
    let mut namespace = object(Action::Prune, ObjectKey { namespace: None, ..key("Namespace", "shop") }, "-a");
    namespace.referrers = vec![key("ConfigMap", "settings")];
    let cases = [
        report(vec![]),
        report(vec![app("shop-eu", vec![renamed])]),
        report(vec![app("shop-eu", vec![namespace])]),
        report(vec![app("shop-eu", vec![quiet])]),
        report(vec![app("shop-eu", vec![update()]), app("shop-us", vec![update(), removed.clone()])]),
        report(vec![app("shop-eu", vec![removed, replaced])]),
        everything(""),
        stopped(Stopped::UnrelatedHistory),
        stopped(Stopped::Fork),
        stopped(Stopped::MergeConflict { files: vec!["a.yaml".into(), "b.yaml".into()] }),
        stopped(Stopped::Definitions { errors: vec!["apps/a.yaml:3: unknown field `pth`".into()] }),
        stopped(Stopped::Unavailable { message: "the cluster prod does not answer".into() }),
    ];
    let lines: Vec<String> = cases.iter().map(|case| one(case).lines().next().unwrap_or_default().to_owned()).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let (renamed, namespace) = (one(&cases[1]), one(&cases[2]));
    assert!(renamed.contains("| 1 | under a new name: 1 |"), "{renamed}");
    assert!(renamed.contains("Replaces `Deployment shop/web-1`, which is deleted after the sync."), "{renamed}");
    let listed = "- `Namespace shop` of `shop-eu` with everything in it; still used by `ConfigMap shop/settings`";
    assert!(namespace.contains(listed), "{namespace}");
}

/// X16+, T19+: definitions that are invalid on the base, commits of other refs, and pauses before and after the merge.
#[test]
fn definitions_that_were_invalid_and_pauses_that_are_over() {
    let update = || object(Action::Update, key("Deployment", "web"), "-a\n+b");
    let mut invalid = app("broken", vec![]);
    invalid.result = AppResult::Invalid {
        message: "apps/broken.yaml:5: unknown field `destnation`; its objects stay as they are".into(),
    };
    let mut repaired = app("repaired", vec![]);
    repaired.definition = DefinitionChange::Repaired;
    repaired.definition_diff = Some("-  sync: auto\n+  sync: manual".into());
    let mut paused = app("paused", vec![update()]);
    paused.held_back = Some(HeldBack::Paused);
    paused.rendered_from = Some(RenderedFrom {
        repo: RepoName::new("library"),
        ref_name: "refs/heads/release".into(),
        commit: "f6".repeat(20).parse().expect("an id"),
    });
    let open = report(vec![invalid, repaired, paused]);
    let with = |end: AppEnd| {
        let mut report = open.clone();
        let mut outcome = merged("").outcome.expect("an outcome");
        outcome.apps.truncate(1);
        (outcome.apps[0].app, outcome.apps[0].end) = (report.apps[2].app.clone(), end);
        outcome.differs = vec![Differs {
            app: report.apps[2].app.clone(),
            at: DiffersAt::NeverPreviewed,
            objects: ["ConfigMap shop/a", "ConfigMap shop/b", "Deployment shop/web"].map(String::from).into(),
            created: ["ConfigMap shop/a".to_owned()].into(),
            deleted: ["ConfigMap shop/b".to_owned()].into(),
        }];
        report.outcome = Some(outcome);
        report.apps.drain(..2);
        one(&report)
    };
    let healthy = AppEnd::Healthy { after_seconds: 3, removed: 0, held: Vec::new(), kept: Vec::new() };
    insta::assert_snapshot!([one(&open), with(AppEnd::Paused), with(healthy)].join("\n\n----\n\n"));
}

#[test]
fn it_never_promises() {
    let mut open = everything("");
    open.apps.remove(0);
    open.apps.remove(1);
    for text in [one(&everything("")), one(&open), one(&merged(""))] {
        let text = text.to_lowercase();
        assert!(!text.contains("safe") && !text.contains("no changes") && !text.contains("changes no"), "{text}");
    }
}

#[test]
fn large_changes_are_cut_between_objects() {
    let diff = "+  some line of a manifest that is of the usual length\n".repeat(400);
    let objects = (0..12).map(|n| object(Action::Create, key("ConfigMap", &format!("cfg-{n}")), &diff)).collect();
    let parts = comment(&report(vec![app("shop-eu", objects)]), &[], MOST_PARTS, &GITHUB);
    assert_eq!(parts.len(), 6);
    for (index, part) in parts.iter().enumerate() {
        check(part).expect("sound");
        assert!(part.contains("#### `shop-eu` on `prod`"), "each part says of which app it speaks");
        assert!(!part.contains(" of 2)</summary>"), "no object is cut");
        assert!(index == 0 || part.starts_with(&format!("Part {} of 6,", index + 1)));
    }
}

#[test]
fn gitlab_has_its_word_and_longer_comments() {
    let mut pull = everything("");
    pull.stopped = Some(Stopped::Fork);
    let text = comment(&pull, &[], MOST_PARTS, &GITLAB).concat();
    assert!(text.contains("this merge request comes from a fork"), "{text}");
    assert!(text.contains("(not caused by this merge request)") && !text.contains("pull request"), "{text}");
    let diff = "+  a line of a manifest\n".repeat(7_500);
    let long = report(vec![app("shop-eu", vec![object(Action::Create, key("ConfigMap", "big"), &diff)])]);
    assert_eq!(
        (comment(&long, &[], MOST_PARTS, &GITHUB).len(), comment(&long, &[], MOST_PARTS, &GITLAB).len()),
        (3, 1)
    );
}

#[test]
fn an_object_that_is_too_large_alone_is_cut_between_lines() {
    let diff = "+  line ``` of a manifest\n".repeat(10_000);
    let parts = comment(
        &report(vec![app("shop-eu", vec![object(Action::Create, key("ConfigMap", "big"), &diff)])]),
        &[],
        MOST_PARTS,
        &GITHUB,
    );
    assert!(parts.len() > 3);
    for part in &parts {
        check(part).expect("sound");
    }
    assert!(parts[0].contains("(1 of ") && parts[1].contains("(2 of "));
}

#[test]
fn beyond_ten_parts_the_table_is_complete_and_the_rest_is_on_the_command_line() {
    let diff = "+  some line of a manifest that is of the usual length\n".repeat(1000);
    let apps = (0..300)
        .map(|n| app(&format!("shop-{n}"), vec![object(Action::Prune, key("ConfigMap", &format!("cfg-{n}")), &diff)]))
        .collect();
    let mut long = report(apps);
    long.apps[0].before.clone_from(&everything("").apps[0].before);
    let parts = comment(&long, &[], MOST_PARTS, &GITHUB);
    assert_eq!(parts.len(), 10);
    assert_eq!(comment(&long, &[], 2, &GITHUB).len(), 2, "A19: it is the configuration's number");
    let all = parts.join("\n");
    for n in 0..300 {
        assert!(all.contains(&format!("| `shop-{n}` | `prod` |")), "the table is complete");
        assert!(all.contains(&format!("- `ConfigMap shop/cfg-{n}` of `shop-{n}`")), "so are the deletes");
    }
    assert!(parts[9].contains("more objects not shown here.** `driftless preview --pr shop#7` prints everything."));
    assert!(parts[9].ends_with("of `shop-0`, drifted: `.data.a`"), "and so is what is different already");
}

#[test]
fn thousands_of_refusals_do_not_flood_a_pull_request() {
    let refused = |n: usize| {
        let mut refused = object(Action::Create, key("ConfigMap", &format!("cfg-{n}")), "+a: b");
        let message = "is not allowed for repo shop: no entry of repos[shop].allow.namespaces matches it; ".repeat(3);
        refused.verdict = crate::plan::Verdict::Rejected { message: message.clone(), causes: Vec::new() };
        refused.warnings = vec![message];
        refused
    };
    let mut long = report(vec![app("shop-eu", (0..4000).map(refused).collect())]);
    let deletes = (0..4000).map(|n| object(Action::Prune, key("ConfigMap", &format!("old-{n}")), "-a: b")).collect();
    long.apps.push(app("shop-us", deletes));
    let parts = comment(&long, &[], MOST_PARTS, &GITHUB);
    assert!(parts.len() <= MOST_PARTS, "{} parts", parts.len());
    for part in &parts {
        check(part).expect("sound");
    }
    let all = parts.join("\n");
    assert!(all.contains("| `shop-us` | `prod` |"), "the table is complete");
    assert!(all.contains("more things not shown here.** `driftless preview --pr shop#7` prints everything."));
    let whole = super::whole(&long);
    assert!(
        whole.contains("cfg-3999") && whole.contains("old-3999") && !whole.contains("not shown here"),
        "but nothing is lost"
    );
}

/// B16: a diff that takes the room of many others comes after them, and where there is no room for all, all are named
/// before any diff.
#[test]
fn names_come_before_large_diffs_and_small_ones_before_large_ones() {
    let line = |name: &str, at: usize| format!("+  {name}{at}: {}\n", "x".repeat(60));
    let large = |name: &str| {
        object(
            Action::Create,
            key("CustomResourceDefinition", name),
            &(0..3_000).map(|at| line(name, at)).collect::<String>(),
        )
    };
    let small =
        |at: usize| object(Action::Create, key("ConfigMap", &format!("small{at}")), &line(&format!("s{at}n"), 0));
    let mut objects = vec![large("first"), large("second")];
    objects.extend((0..40).map(small));
    let report = report(vec![app("web", objects)]);
    let parts = comment(&report, &[], 2, &GITHUB);
    let all = parts.concat();
    assert_eq!(parts.len(), 2);
    for at in 0..40 {
        assert!(all.contains(&format!("s{at}n0: ")), "small{at} has its diff");
        let (name, diff) = (format!("ConfigMap shop/small{at}"), format!("s{at}n0: "));
        let named = parts[0].find(&name).unwrap_or_else(|| panic!("small{at} is not named in the first part"));
        assert!(named < all.find(&diff).expect("its diff"), "small{at}");
    }
    for name in ["first", "second"] {
        assert!(parts[0].contains(&format!("CustomResourceDefinition shop/{name}")), "{name} is named");
    }
}

/// P6: what changes in the same way is shown once, with all that change so; what differs is shown by itself.
#[test]
fn equal_diffs_are_shown_once() {
    let update = |name: &str, diff: &str| object(Action::Update, key("Deployment", name), diff);
    let same = "-  image: web:1\n+  image: web:2";
    let report = report(vec![
        app("web", vec![update("a", same), update("b", same), update("other", "-  image: web:1\n+  image: web:3")]),
        app("cart", vec![update("c", same)]),
    ]);
    let text = one(&report);
    assert_eq!(text.matches("image: web:2").count(), 1, "{text}");
    assert_eq!(text.matches("image: web:3").count(), 1, "{text}");
    assert!(text.contains("3 × update <code>Deployment</code> in 2 apps"), "{text}");
    for name in ["shop/a", "shop/b", "shop/c", "shop/other"] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn a_table_that_is_too_large_is_cut_between_rows_and_keeps_its_head() {
    let apps = (0..3000).map(|n| app(&format!("shop-{n}"), vec![])).collect();
    let parts = comment(&report(apps), &[], MOST_PARTS, &GITHUB);
    assert!(parts.len() > 1);
    for part in &parts {
        check(part).expect("sound");
        assert!(part.contains("| App | Cluster |"));
    }
}
