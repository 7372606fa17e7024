use super::*;
use crate::app_status::tests::row;
use crate::ids::RepoName;

fn key() -> Key {
    Key::Sync("shop/web".parse().expect("an app"))
}

fn with(change: impl FnOnce(&mut AppRow)) -> AppRow {
    let mut row = row();
    change(&mut row);
    row
}

const HEAL: &str = "heal";

fn decided(row: &AppRow, causes: &[Trigger]) -> &'static str {
    match decide(row, &Intent::of(&key(), causes)) {
        Goal::Skip => "leave",
        Goal::Apply => "apply",
        Goal::Heal { report_only: false, .. } => HEAL,
        Goal::Heal { report_only: true, .. } => "report",
        Goal::PruneLeftovers { .. } => "finish",
        Goal::Remove => "remove",
        Goal::Confirm => "confirm",
    }
}

/// A20: what several causes ask for together: the newest revision, and what any of them allows.
#[test]
fn what_people_ask_for_adds_up() {
    let manual = |change: fn(&mut Manual)| {
        let mut manual = Manual { by: "ada".into(), ..Manual::default() };
        change(&mut manual);
        Trigger::Manual(manual)
    };
    let of = |causes: &[Trigger]| {
        let intent = Intent::of(&key(), causes);
        (intent.adopts(), intent.allows_destructive(), intent.revision().map(str::to_owned), intent.is_resync())
    };
    assert_eq!(of(&[Trigger::Resync]), (false, false, None, true));
    assert_eq!(of(&[Trigger::Resync, Trigger::Poll]), (false, false, None, false));
    assert_eq!(
        of(&[Trigger::Resync, Trigger::Follow { key: key() }]),
        (false, false, None, true),
        "the end of its own wait asks for nothing"
    );
    assert_eq!(of(&[manual(|_| {})]), (false, false, None, false));
    assert_eq!(of(&[manual(|manual| manual.adopt = true), Trigger::Resync]), (true, false, None, false));
    let (destructive, pin) =
        (manual(|manual| manual.allow_destructive = true), manual(|manual| manual.revision = Some("a1".into())));
    assert_eq!(of(&[destructive, pin.clone()]), (false, true, Some("a1".into()), false));
    let newer = manual(|manual| manual.revision = Some("b2".into()));
    assert_eq!(of(&[pin.clone(), newer]).2.as_deref(), Some("b2"));
    assert_eq!(of(&[pin, manual(|manual| manual.adopt = true)]), (true, false, Some("a1".into()), false));
}

/// A17, A20, T4: what is done for an app, by its policy, its state and who asks: a push, the periodic look, a person,
/// the end of a wait.
#[test]
fn what_is_done_by_policy_and_cause() {
    let push = [Trigger::Follow { key: Key::Push { repo: RepoName::new("shop"), ref_name: "refs/heads/main".into() } }];
    let (look, hand) = ([Trigger::Resync], [Trigger::Manual(Manual::default())]);
    let wait = [Trigger::Follow { key: key() }];
    let table: Vec<(&str, AppRow, [&str; 4])> = vec![
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
        (
            "paused, ignore",
            with(|row| (row.paused, row.app.drift) = (true, DriftPolicy::Ignore)),
            ["leave", "leave", "apply", "leave"],
        ),
        (
            "paused, never",
            with(|row| (row.paused, row.app.sync) = (true, SyncPolicy::Never)),
            ["leave", "leave", "leave", "leave"],
        ),
        (
            "paused that failed",
            with(|row| (row.paused, row.synced_ok) = (true, false)),
            ["leave", "leave", "apply", "leave"],
        ),
        (
            "paused, removed",
            with(|row| (row.paused, row.state) = (true, AppState::Removed)),
            ["leave", "leave", "leave", "leave"],
        ),
        ("missing", with(|row| row.state = AppState::Missing), ["leave", "leave", "leave", "leave"]),
        ("broken", with(|row| row.state = AppState::Broken), ["leave", "leave", "leave", "leave"]),
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
        (
            "removed, prune, pinned",
            with(|row| {
                (row.state, row.pinned_revision) = (AppState::Removed, row.applied_revision.clone());
                row.applied_app.as_mut().expect("applied").on_delete = OnDelete::Prune;
            }),
            ["leave", "leave", "remove", "leave"],
        ),
    ];
    for (name, row, expected) in table {
        let decided = [&push[..], &look, &hand, &wait].map(|causes| decided(&row, causes));
        assert_eq!(decided, expected, "{name}: push, look, hand, wait");
    }
}

/// X2: who confirms that a removed app's held deletions go on does that alone; its objects stay otherwise.
#[test]
fn a_confirmation_for_a_removed_app_is_for_what_is_held() {
    let confirmed = [Trigger::Manual(Manual { allow_destructive: true, ..Manual::default() })];
    let of = |change: fn(&mut AppRow)| decided(&with(change), &confirmed);
    assert_eq!(of(|row| row.state = AppState::Removed), "confirm");
    assert_eq!(of(|row| row.state = AppState::Missing), "leave");
    assert_eq!(of(|row| row.state = AppState::Broken), "leave");
    assert_eq!(of(|row| row.app.sync = SyncPolicy::Never), "leave", "it is followed and never applied");
}

/// T2+: of several people, each is named for what that one asked for, and the last for the whole.
#[test]
fn each_is_named_for_what_was_asked() {
    let by = |name: &str, change: fn(&mut Manual)| {
        let mut manual = Manual { by: name.into(), ..Manual::default() };
        change(&mut manual);
        Trigger::Manual(manual)
    };
    let confirms = by("ada", |manual| manual.allow_destructive = true);
    let pins = by("bob", |manual| manual.revision = Some("a".into()));
    let intent = Intent::of(&key(), &[confirms, pins, by("eve", |_| {})]);
    assert_eq!((intent.confirmed_by(), intent.pinned_by()), (Some("ada"), Some("bob")));
    assert_eq!(intent.manual.as_ref().map(|manual| manual.by.as_str()), Some("eve"));
    let plain = Intent::of(&key(), &[by("eve", |_| {})]);
    assert_eq!((plain.confirmed_by(), plain.pinned_by(), plain.resumes()), (None, None, false));
}

/// A17: what may bring something new: a push and a person do, the periodic look and the end of a wait don't.
#[test]
fn who_brings_news() {
    let wait = Trigger::Follow { key: key() };
    let of = |causes: &[Trigger]| {
        let intent = Intent::of(&key(), causes);
        (intent.is_news(), intent.is_resync())
    };
    assert_eq!(of(&[Trigger::Poll]), (true, false));
    assert_eq!(of(&[Trigger::Manual(Manual::default())]), (true, false));
    assert_eq!(of(&[Trigger::Resync]), (false, true));
    assert_eq!(of(std::slice::from_ref(&wait)), (false, false));
    assert_eq!(of(&[wait, Trigger::Poll]), (true, false));
}

/// A8: a resume undoes a pin that is still being tried, and a pin that is asked for afterwards holds.
#[test]
fn a_resume_undoes_an_older_pin_and_no_newer_one() {
    let pin = |revision: &str| Manual { by: "ada".into(), revision: Some(revision.into()), ..Manual::default() };
    let (resume, plain) = (Manual { resume: true, ..Manual::default() }, Manual::default());
    let intent = |asked: &[Manual]| Intent::of(&key(), &asked.iter().cloned().map(Trigger::Manual).collect::<Vec<_>>());
    let revision = |asked: &[Manual]| intent(asked).revision().map(str::to_owned);
    assert_eq!(revision(&[pin("a"), resume.clone()]), None);
    assert!(intent(&[pin("a"), resume.clone()]).resumes());
    assert_eq!(revision(&[resume.clone(), pin("b")]).as_deref(), Some("b"));
    assert_eq!(revision(&[pin("a"), resume, plain.clone()]), None);
    assert_eq!(revision(&[pin("a"), plain]).as_deref(), Some("a"), "who only syncs does not undo it");
}
