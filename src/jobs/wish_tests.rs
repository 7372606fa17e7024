use super::*;
use crate::app::{Adopt, App, Destination, Origin, Source};
use crate::ids::{ClusterName, RepoName};
use crate::render::RenderOptions;
use crate::store::apps::{AppHealth, Heals};

fn oid() -> Oid {
    "a".repeat(40).parse().expect("an id")
}

fn key() -> Key {
    Key::Sync("shop/web".parse().expect("an app"))
}

/// Applied, healthy and synced by itself.
fn row() -> AppRow {
    let repo = RepoName::new("shop");
    let app = App {
        id: "shop/web".parse().expect("an app"),
        source: Source { repo: repo.clone(), ref_name: "refs/heads/main".into(), path: "deploy".into() },
        render: RenderOptions::default(),
        destination: Destination { cluster: ClusterName::new("prod"), namespace: "shop".into() },
        sync: SyncPolicy::Auto,
        drift: DriftPolicy::Heal,
        on_delete: OnDelete::Keep,
        adopt: Adopt(false),
        origin: Origin { file: "apps/web.yaml".into(), line: 1, definitions_ref: "refs/heads/main".into() },
    };
    AppRow {
        applied_app: Some(Box::new(app.clone())),
        app,
        definition_commit: oid(),
        state: AppState::Active,
        state_message: String::new(),
        identity: None,
        rendered_revision: Some(oid()),
        applied_revision: Some(oid()),
        applied_identity: None,
        applied_at: Some(1),
        synced_ok: true,
        paused: false,
        paused_since: None,
        pinned_revision: None,
        health: AppHealth::Healthy,
        health_message: String::new(),
        drift: String::new(),
        failure: String::new(),
        failing_since: None,
        failed_revision: None,
        state_since: None,
        last_run: None,
        heals: Heals::new(),
    }
}

fn with(change: impl FnOnce(&mut AppRow)) -> AppRow {
    let mut row = row();
    change(&mut row);
    row
}

const HEAL: &str = "heal";

fn decided(row: &AppRow, causes: &[Cause]) -> &'static str {
    match decide(row, &Wish::of(&key(), causes)) {
        Decision::Leave => "leave",
        Decision::Apply => "apply",
        Decision::Heal { report_only: false, .. } => HEAL,
        Decision::Heal { report_only: true, .. } => "report",
        Decision::Finish { .. } => "finish",
        Decision::Remove => "remove",
    }
}

/// A17, A20, T4: what is done for an app, by its policy, its state and who asks: a push, the periodic look, a person, the end of a wait.
#[test]
fn what_is_done_by_policy_and_cause() {
    let push = [Cause::Follow { key: Key::Push { repo: RepoName::new("shop"), ref_name: "refs/heads/main".into() } }];
    let (look, hand) = ([Cause::Resync], [Cause::Manual(Manual::default())]);
    let wait = [Cause::Follow { key: key() }];
    let table: [(&str, AppRow, [&str; 4]); 12] = [
        ("auto", row(), ["apply", HEAL, "apply", "leave"]),
        ("auto that failed", with(|row| row.synced_ok = false), ["apply", "apply", "apply", "leave"]),
        ("manual", with(|row| row.app.sync = SyncPolicy::Manual), ["leave", HEAL, "apply", "leave"]),
        (
            "manual that failed",
            with(|row| (row.app.sync, row.synced_ok) = (SyncPolicy::Manual, false)),
            ["leave", "leave", "apply", "leave"],
        ),
        ("never", with(|row| row.app.sync = SyncPolicy::Never), ["leave", "leave", "leave", "leave"]),
        ("report", with(|row| row.app.drift = DriftPolicy::Report), ["apply", "report", "apply", "leave"]),
        ("ignore", with(|row| row.app.drift = DriftPolicy::Ignore), ["apply", "finish", "apply", "leave"]),
        ("paused", with(|row| row.paused = true), ["leave", "report", "apply", "leave"]),
        ("paused, ignore", with(|row| (row.paused, row.app.drift) = (true, DriftPolicy::Ignore)), ["leave", "leave", "apply", "leave"]),
        ("removed, keep", with(|row| row.state = AppState::Removed), ["leave", "leave", "leave", "leave"]),
        (
            "removed, prune by the definition alone",
            with(|row| (row.state, row.app.on_delete) = (AppState::Removed, OnDelete::Prune)),
            ["leave", "leave", "leave", "leave"],
        ),
        (
            "removed, prune as applied",
            with(|row| {
                row.state = AppState::Removed;
                row.applied_app.as_mut().expect("applied").on_delete = OnDelete::Prune;
            }),
            ["remove", "remove", "remove", "leave"],
        ),
    ];
    for (name, row, expected) in table {
        let decided = [&push[..], &look, &hand, &wait].map(|causes| decided(&row, causes));
        assert_eq!(decided, expected, "{name}: push, look, hand, wait");
    }
}
