use super::*;
use crate::app::{Adopt, App, Destination, DriftPolicy, OnDelete, Origin, Source};
use crate::ids::{ClusterName, RepoName};
use crate::render::RenderOptions;
use crate::store::apps::{HealCount, Heals};
use crate::store::runs::{Counts, RunId, RunKind};

fn oid(digit: &str) -> Oid {
    digit.repeat(40).parse().expect("an id")
}

/// Applied as it is in Git, and healthy.
pub(crate) fn row() -> AppRow {
    let repo = RepoName::new("shop");
    let app = App {
        id: "shop/web".parse().expect("an app"),
        source: Source { repo, ref_name: "refs/heads/main".into(), path: "deploy".into() },
        render: RenderOptions::default(),
        destination: Destination { cluster: ClusterName::new("prod"), namespace: "shop".into() },
        sync: SyncPolicy::Auto,
        drift: DriftPolicy::Heal,
        on_delete: OnDelete::Keep,
        adopt: Adopt(false),
        ignore_differences: Vec::new(),
        origin: Origin { file: "apps/web.yaml".into(), line: 1, definitions_ref: "refs/heads/main".into() },
    };
    AppRow {
        applied_app: Some(Box::new(app.clone())),
        app,
        definition_commit: oid("a"),
        applied_definition_commit: Some(oid("a")),
        state: AppState::Active,
        state_message: String::new(),
        identity: Some("one".into()),
        rendered_revision: Some(oid("a")),
        applied_revision: Some(oid("a")),
        applied_identity: Some("one".into()),
        applied_at: Some(1),
        synced_ok: true,
        paused: false,
        paused_since: None,
        paused_by: None,
        paused_until: None,
        pause_reason: None,
        pinned_revision: None,
        pinned_by: None,
        pinned_since: None,
        pinned_off_branch: false,
        health: AppHealth::Healthy,
        health_message: String::new(),
        drift: String::new(),
        drift_since: None,
        drift_looked: None,
        failure: String::new(),
        failing_since: None,
        failed_revision: None,
        failed_applied: false,
        state_since: None,
        heals: Heals::new(),
    }
}

fn run(state: RunState, revision: &str) -> RunRow {
    RunRow {
        id: RunId::new("1"),
        kind: RunKind::Sync,
        target: "shop/web".into(),
        cause: serde_json::Value::Null,
        revision: Some(oid(revision).to_string()),
        from_revision: None,
        author: None,
        state,
        error: None,
        counts: Counts::default(),
        steps: Vec::new(),
        started: 1,
        finished: None,
        times: 1,
        since: None,
    }
}

struct Case {
    name: &'static str,
    row: AppRow,
    last: Option<RunRow>,
    held: Option<&'static str>,
    confirmed: usize,
    retried: Option<Retried>,
}

fn case(name: &'static str, change: impl FnOnce(&mut AppRow)) -> Case {
    let mut row = row();
    change(&mut row);
    Case { name, row, last: Some(run(RunState::Succeeded, "a")), held: None, confirmed: 0, retried: None }
}

fn behind_head(row: &mut AppRow) {
    row.identity = Some("two".into());
    row.rendered_revision = Some(oid("b"));
}

fn pinned_by_ada(row: &mut AppRow) {
    (row.pinned_revision, row.pinned_by) = (Some(oid("a")), Some("uid 1000 (ada)".into()));
    row.pinned_since = Some(3_000);
}

fn fails(row: &mut AppRow) {
    row.synced_ok = false;
    row.failure = "Deployment shop/web makes no progress".into();
    row.failing_since = Some(1_000);
    row.failed_revision = Some(oid("b"));
    row.health = AppHealth::Degraded;
}

fn left_gone(row: &mut AppRow) {
    row.drift = "Service shop/web: somebody deletes it after each heal (3 times)".into();
    let count = HealCount { fields: Vec::new(), manager: None, count: 3, is_left_gone: true };
    row.heals = Heals::from([("Service shop/web".into(), count)]);
}

/// What is known of an app that never ran, and has no objects.
static NOTHING_LEFT: Removal = Removal { objects: 0, held: Vec::new(), moving: 0, taken_over: Vec::new() };

pub(super) fn facts(row: &AppRow) -> Facts<'_> {
    Facts {
        row,
        head: None,
        last: None,
        waits_until: None,
        held: None,
        confirmed: 0,
        kept: None,
        retried: None,
        objects: 0,
        removal: &NOTHING_LEFT,
        missing: &[],
    }
}

fn retried(of: Of) -> Retried {
    Retried { of, since: 3_000, error: "the forge answers 401".into(), is_over: false }
}

#[expect(clippy::too_many_lines, reason = "a list")]
fn cases() -> Vec<Case> {
    let with_run = |case: Case, state, revision| Case { last: Some(run(state, revision)), ..case };
    vec![
        case("in sync", |_| {}),
        case("never applied", |row| (row.applied_revision, row.applied_identity, row.synced_ok) = (None, None, false)),
        case("manual, never applied", |row| {
            row.app.sync = SyncPolicy::Manual;
            (row.applied_revision, row.applied_identity, row.synced_ok) = (None, None, false);
        }),
        case("auto and behind", behind_head),
        case("manual and behind", |row| {
            behind_head(row);
            row.app.sync = SyncPolicy::Manual;
        }),
        case("manual, with another definition", |row| (row.app.sync, row.identity) = (SyncPolicy::Manual, None)),
        case("pinned and behind", |row| {
            behind_head(row);
            row.pinned_revision = Some(oid("a"));
        }),
        case("pinned to what is not on the branch", |row| {
            behind_head(row);
            (row.pinned_revision, row.pinned_off_branch) = (Some(oid("a")), true);
        }),
        case("paused and pinned", |row| {
            (row.paused, row.paused_since) = (true, Some(2_000));
            row.pinned_revision = Some(oid("a"));
        }),
        case("pinned to the head", |row| row.pinned_revision = Some(oid("a"))),
        case("paused and as in Git", |row| (row.paused, row.paused_since) = (true, Some(2_000))),
        case("paused and behind and drifted", |row| {
            behind_head(row);
            row.drift = "drift: Deployment shop/web differs in spec.replicas".into();
            (row.paused, row.paused_since) = (true, Some(2_000));
        }),
        Case { held: Some("2 to be deleted: confirm"), ..case("held", |_| {}) },
        Case { held: Some("2 to be deleted: confirm"), ..case("held and behind", behind_head) },
        case("drift is reported", |row| row.drift = "drift: Deployment shop/web differs in spec.replicas".into()),
        case("an object stays away", left_gone),
        case("an object stays away, and nothing is to be healed", |row| {
            left_gone(row);
            row.app.drift = DriftPolicy::Report;
        }),
        case("an object stays away, paused", |row| {
            left_gone(row);
            (row.paused, row.paused_since) = (true, Some(2_000));
        }),
        case("removed while paused", |row| {
            (row.state, row.state_message) = (AppState::Removed, "its definition was removed by aaaaaaaaaa".into());
            (row.paused, row.paused_since, row.paused_by) = (true, Some(2_000), Some("uid 0 (ada)".into()));
        }),
        case("removed while paused, with its objects", |row| {
            (row.state, row.state_message) = (AppState::Removed, "its definition was removed by aaaaaaaaaa".into());
            row.applied_app.as_mut().expect("applied").on_delete = OnDelete::Prune;
            (row.paused, row.paused_since) = (true, Some(2_000));
        }),
        case("never", |row| row.app.sync = SyncPolicy::Never),
        case("failed", fails),
        with_run(case("failed, and the same revision is applied again", fails), RunState::Running, "b"),
        with_run(
            case("failed, and the same revision is waited for", |row| {
                fails(row);
                (row.synced_ok, row.health) = (true, AppHealth::Progressing);
            }),
            RunState::Waiting,
            "b",
        ),
        // T7+: what failed is applied once more with a commit that changes nothing of it.
        with_run(
            case("failed, and applied again as part of another revision", |row| {
                fails(row);
                (row.synced_ok, row.health, row.failed_applied) = (true, AppHealth::Progressing, true);
            }),
            RunState::Waiting,
            "c",
        ),
        case("failed and paused and pinned", |row| {
            fails(row);
            (row.paused, row.paused_since) = (true, Some(2_000));
            row.pinned_revision = Some(oid("c"));
        }),
        Case { retried: Some(retried(Of::Sync)), ..case("as in Git, and its sync fails", |_| {}) },
        Case {
            retried: Some(Retried { is_over: true, ..retried(Of::Sync) }),
            ..case("drifted, and the heal fails", |row| {
                row.drift = format!("drift could not be healed: {}", retried(Of::Sync).error);
            })
        },
        Case { retried: Some(retried(Of::Ref)), ..case("as in Git, and Git cannot be read", |_| {}) },
        Case { retried: Some(retried(Of::Poll)), ..case("as in Git, and its repo cannot be looked at", |_| {}) },
        Case { retried: Some(retried(Of::Cluster)), ..case("as in Git, and its cluster is away", |_| {}) },
        Case {
            retried: Some(Retried { is_over: true, ..retried(Of::Cluster) }),
            ..case("as in Git, and its cluster denies to be looked at", |_| {})
        },
        case("paused by somebody", |row| {
            (row.paused, row.paused_since, row.paused_by) = (true, Some(2_000), Some("uid 1000 (ada)".into()));
        }),
        case("pinned by somebody", pinned_by_ada),
        Case { retried: Some(retried(Of::Sync)), ..case("behind, and its sync fails", behind_head) },
        with_run(case("failed, and a newer revision is applied", fails), RunState::Running, "c"),
        with_run(
            case("waits for health", |row| {
                row.health = AppHealth::Progressing;
                row.health_message = "Deployment shop/web: 0 of 1 replicas are available".into();
            }),
            RunState::Waiting,
            "a",
        ),
        // T5+: what was refused before it was applied is over.
        with_run(
            Case {
                retried: Some(Retried { is_over: true, ..retried(Of::Sync) }),
                ..case("applied after a refusal, and waits for health", |row| row.health = AppHealth::Progressing)
            },
            RunState::Waiting,
            "a",
        ),
        // T3+: whatever is waited for, the pin is said.
        with_run(
            case("pinned, and waits for health", |row| {
                pinned_by_ada(row);
                row.health = AppHealth::Progressing;
                row.health_message = "Deployment shop/web: 0 of 1 replicas are available".into();
            }),
            RunState::Waiting,
            "a",
        ),
        with_run(case("pinned, and is being applied", pinned_by_ada), RunState::Running, "a"),
        Case { held: Some("2 to be deleted: confirm"), ..case("pinned, and held", pinned_by_ada) },
        with_run(
            Case {
                confirmed: 2,
                ..case(
                    "waits for health before \
                                         deletions",
                    |row| row.health = AppHealth::Progressing,
                )
            },
            RunState::Waiting,
            "a",
        ),
        with_run(case("is being applied", |_| {}), RunState::Running, "a"),
        case("as in Git, of unknown health", |row| {
            row.health_message = "health unknown: Widget shop/a (no \
                                                                         status)"
                .into();
        }),
        case("as in Git, suspended", |row| row.health_message = "suspended: CronJob shop/a (spec.suspend)".into()),
        Case {
            last: Some(RunRow {
                error: Some(
                    "1 deletion; its deletions have not begun because the app is paused. To continue: \
                             driftless resume x"
                        .into(),
                ),
                ..run(RunState::Waiting, "a")
            }),
            ..case("resumed, about to delete", |_| {})
        },
        case("invalid", |row| (row.state, row.state_message) = (AppState::Broken, "apps/web.yaml:3: no".into())),
        case("missing", |row| (row.state, row.state_message) = (AppState::Missing, "refs/heads/main is gone".into())),
        Case {
            held: Some("3 to be deleted: confirm"),
            ..case("removed", |row| {
                (row.state, row.state_message) = (
                    AppState::Removed,
                    "removed by \
                                                                                          aaaaaaaaaa"
                        .into(),
                );
            })
        },
    ]
}

/// T6+: what the view over the drift of all apps shows of one.
#[test]
fn the_drift_of_an_app() {
    assert_eq!(drift(&row()), None);
    let reported = AppRow { drift: "drift: Secret shop/db is gone".into(), ..row() };
    assert_eq!(drift(&reported).as_deref(), Some("Secret shop/db is gone"));
    let count =
        HealCount { fields: vec!["spec.replicas".into()], manager: Some("hpa".into()), count: 2, is_left_gone: false };
    let fought = AppRow { heals: Heals::from([("Deployment shop/web".into(), count)]), ..row() };
    insta::assert_snapshot!(
        drift(&fought).expect("told"),
        @"Deployment shop/web differed in spec.replicas, by hpa, healed 2 times in a row"
    );
    assert_eq!(drift(&AppRow { state: AppState::Removed, ..reported }), None, "nobody looks at it any more");
    // T6+: that there is no drift is said only where somebody has looked.
    let mut failed = row();
    failed.synced_ok = false;
    let looked = AppRow { failing_since: Some(5), drift_looked: Some(7), ..failed.clone() };
    let since = AppRow { failing_since: Some(9), ..looked.clone() };
    assert_eq!(drift_unknown(&looked, State::Failed), None, "what is applied was looked at");
    assert_eq!(drift_unknown(&since, State::Failed).as_deref(), Some("failed"));
    let mut ignored = row();
    ignored.app.drift = DriftPolicy::Ignore;
    let unknown = [(row(), State::Synced), (failed, State::Failed), (ignored, State::Synced), (row(), State::Missing)]
        .map(|(row, state)| drift_unknown(&row, state));
    assert_eq!(
        unknown,
        [None, Some("failed"), Some("drift: ignore"), Some("missing")].map(|why| why.map(str::to_owned))
    );
}

/// T3, T4, T5, T6, T7, T10: every combination of rows that means something, and what is said of it.
#[test]
fn how_an_app_stands() {
    let head = oid("b");
    let lines = cases().into_iter().map(|case| {
        let facts = Facts {
            head: Some(&head),
            last: case.last.as_ref(),
            waits_until: Some(60_000),
            held: case.held,
            confirmed: case.confirmed,
            retried: case.retried.as_ref(),
            objects: 1,
            removal: &Removal { objects: 1, ..Removal::default() },
            ..facts(&case.row)
        };
        let AppStatus { state, message } = app_status(facts);
        format!(
            "{}: {} / {} / {}",
            case.name,
            state.as_str(),
            health(facts).unwrap_or("-"),
            message.unwrap_or_default()
        )
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

/// T7+: a commit that changes nothing of an app does not end its failure, nor the alert for it.
#[test]
fn what_is_applied_and_has_failed_is_failed_until_something_else_is_applied() {
    let mut row = row();
    fails(&mut row);
    row.failed_applied = true;
    let waits = run(RunState::Waiting, "c");
    let state = |row: &AppRow| app_status(Facts { last: Some(&waits), ..facts(row) }).state;
    assert_eq!(state(&row), State::Failed, "the same, by a later commit");
    row.identity = Some("two".into());
    assert_ne!(state(&row), State::Failed, "it may be mended");
}
