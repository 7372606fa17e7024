use super::board::{Board, GRACE, Kind};
use super::degree::Health;
use super::judge::{Seen, Standing};
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectKey;
use crate::store::runs::RunId;
use crate::store::waits::{Touched, Wait, WaitObject, WaitPurpose};

fn key(kind: &str, name: &str) -> ObjectKey {
    ObjectKey {
        group: "apps".into(),
        version: "v1".into(),
        kind: kind.into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

fn app(name: &str) -> AppId {
    format!("shop/{name}").parse().expect("an app")
}

fn wait(name: &str, run: &str, objects: &[ObjectKey], deadline: i64) -> Wait {
    let object = |key: &ObjectKey| WaitObject {
        key: key.clone(),
        uid: Some("u".into()),
        resource_version: Some("5".into()),
        touched: Touched::Written,
    };
    Wait {
        app: app(name),
        purpose: WaitPurpose::Health,
        run: RunId::new(run),
        cluster: ClusterName::new("prod"),
        objects: objects.iter().map(object).collect(),
        deadline,
    }
}

fn kind(name: &str) -> Kind {
    Kind { cluster: ClusterName::new("prod"), group: "apps".into(), name: name.into() }
}

fn seen(health: Health) -> Seen {
    Seen { uid: "u".into(), resource_version: "6".into(), health, dated: true }
}

fn slow() -> Health {
    Health::Progressing("slow".into())
}

#[test]
fn one_watch_serves_all_that_wait_for_a_kind() {
    let mut board = Board::default();
    let (web, api) = (key("Deployment", "web"), key("Deployment", "api"));
    assert_eq!(board.add(wait("web", "1", std::slice::from_ref(&web), 100), 0), [kind("Deployment")]);
    assert_eq!(board.add(wait("api", "2", &[api.clone(), key("DaemonSet", "logs")], 100), 0), [kind("DaemonSet")]);
    let deployments = kind("Deployment");
    board.list_begins(&deployments);
    assert_eq!(
        board.seen(&deployments, web.id(), seen(Health::Healthy)),
        [],
        "a list that is not complete decides nothing"
    );
    board.seen(&deployments, api.id(), seen(Health::Healthy));
    let over = board.list_ends(&deployments);
    assert_eq!(over.iter().map(|over| over.wait.app.clone()).collect::<Vec<_>>(), [app("web")]);
    let daemons = kind("DaemonSet");
    board.list_begins(&daemons);
    board.list_ends(&daemons);
    let over = board.seen(&daemons, key("DaemonSet", "logs").id(), seen(Health::Healthy));
    assert_eq!(over.iter().map(|over| over.wait.app.clone()).collect::<Vec<_>>(), [app("api")]);
    assert!(board.forget_if_idle(&deployments));
}

#[test]
fn a_wait_that_was_over_before_it_began_is_seen_at_once() {
    let mut board = Board::default();
    let (web, deployments) = (key("Deployment", "web"), kind("Deployment"));
    board.add(wait("other", "1", &[key("Deployment", "other")], 100), 0);
    board.list_begins(&deployments);
    board.list_ends(&deployments);
    board.seen(&deployments, web.id(), seen(Health::Healthy));
    assert_eq!(board.add(wait("web", "2", &[web], 100), 0), []);
    assert_eq!(
        board.look(&app("web"), WaitPurpose::Health).map(|over| over.standing),
        Some(Standing::Done(Vec::new()))
    );
    assert!(!board.forget_if_idle(&deployments), "one still waits");
}

#[test]
fn a_newer_wait_ends_the_older_without_a_word_and_deadlines_say_what_was_waited_for() {
    let mut board = Board::default();
    let (web, deployments) = (key("Deployment", "web"), kind("Deployment"));
    board.add(wait("web", "1", std::slice::from_ref(&web), 100), 0);
    board.add(wait("web", "2", std::slice::from_ref(&web), 200), 0);
    board.list_begins(&deployments);
    board.list_ends(&deployments);
    assert_eq!(board.seen(&deployments, web.id(), seen(slow())), []);
    assert_eq!(board.next_deadline(), Some(200));
    assert_eq!(board.expired(150), []);
    let over = board.expired(200);
    assert_eq!(
        (over[0].wait.run.as_str(), &over[0].standing),
        ("2", &Standing::Waiting("Deployment shop/web: slow".into()))
    );
    assert_eq!(board.next_deadline(), None);
    assert!(board.forget_if_idle(&deployments));
}

#[test]
fn what_a_new_list_no_longer_has_is_gone() {
    let mut board = Board::default();
    let (web, deployments) = (key("Deployment", "web"), kind("Deployment"));
    board.add(Wait { purpose: WaitPurpose::Deletion, ..wait("web", "1", std::slice::from_ref(&web), 100) }, 0);
    board.list_begins(&deployments);
    board.seen(&deployments, web.id(), seen(Health::Healthy));
    assert_eq!(board.list_ends(&deployments), []);
    board.list_begins(&deployments);
    assert_eq!(board.list_ends(&deployments)[0].standing, Standing::Done(Vec::new()));
}

#[test]
fn a_job_that_was_not_seen_yet_has_not_ended() {
    let job = |name: &str| ObjectKey { group: "batch".into(), ..key("Job", name) };
    let jobs = Kind { group: "batch".into(), ..kind("Job") };
    let mut board = Board::default();
    board.add(wait("web", "1", &[job("first")], 100), 0);
    board.list_begins(&jobs);
    assert_eq!(board.list_ends(&jobs).len(), 1, "it had ended and was cleaned up before anybody looked");
    board.add(wait("web", "2", &[job("second")], 100), 0);
    assert!(board.look(&app("web"), WaitPurpose::Health).is_none(), "the watch has not told of it yet");
    board.seen(&jobs, job("second").id(), seen(slow()));
    assert_eq!(board.gone(&jobs, &job("second").id()).len(), 1, "ended and cleaned up");
    // Made again under the same name.
    board.add(wait("web", "3", &[job("second")], 100), 0);
    assert!(board.look(&app("web"), WaitPurpose::Health).is_none());
}

#[test]
fn what_is_asked_about_one_by_one_is_known_once_it_was_asked_about() {
    let mut board = Board::default();
    let (web, api, kind) = (key("Deployment", "web"), key("Deployment", "api"), kind("Deployment"));
    board.add(wait("web", "1", std::slice::from_ref(&web), 100), 0);
    board.trouble(&kind, "it is forbidden");
    let [late] = &board.expired(100)[..] else { panic!("one") };
    insta::assert_snapshot!(format!("{:?}", late.standing),
        @r#"Waiting("Deployment shop/web: its state is unknown, because it cannot be watched (it is forbidden)")"#);
    board.add(wait("web", "2", std::slice::from_ref(&web), 200), 0);
    assert_eq!(board.awaited(&kind), std::slice::from_ref(&web));
    assert_eq!(board.polled(&kind, vec![(web.id(), Some(seen(Health::Healthy)))]).len(), 1);
    let deletion = Wait { purpose: WaitPurpose::Deletion, ..wait("api", "3", std::slice::from_ref(&api), 200) };
    board.add(deletion, 0);
    assert!(board.look(&app("api"), WaitPurpose::Deletion).is_none(), "nobody has asked about it yet");
    assert_eq!(board.polled(&kind, vec![(api.id(), None)]).len(), 1);
}

/// H1: the grace is part of the times at which the board is looked at, and what is silent after it is waited for no
/// longer.
#[test]
fn silence_is_waited_for_as_long_as_the_grace() {
    let mut board = Board::default();
    let (widget, widgets) = (key("Widget", "a"), kind("Widget"));
    board.add(wait("web", "1", std::slice::from_ref(&widget), 600_000), 1_000);
    board.list_begins(&widgets);
    board.list_ends(&widgets);
    let silent = Health::Unknown("its controller has reported no status".into());
    assert_eq!(board.seen(&widgets, widget.id(), seen(silent)), []);
    assert_eq!(board.next_deadline(), Some(1_000 + GRACE));
    assert_eq!(board.expired(GRACE), []);
    let [over] = &board.expired(1_000 + GRACE)[..] else { panic!("over") };
    let note = "health unknown: Widget shop/a (its controller has reported no status)";
    assert_eq!(over.standing, Standing::Done(vec![note.to_owned()]));
    // What is slow is waited for beyond it.
    board.add(wait("web", "2", std::slice::from_ref(&widget), 600_000), 1_000);
    board.seen(&widgets, widget.id(), seen(slow()));
    assert_eq!(board.expired(1_000 + GRACE), []);
    assert_eq!(board.next_deadline(), Some(600_000));
}

/// T11: a wait that is taken up late is not over before its objects can have been seen, and its end names the wait as
/// its row has it.
#[test]
fn a_wait_that_is_taken_up_late_is_looked_at_first() {
    let mut board = Board::default();
    board.add(wait("web", "1", &[key("Deployment", "web")], 100), 200);
    board.ends_not_before(&wait("web", "1", &[], 100).app, WaitPurpose::Health, 300);
    assert_eq!((board.expired(299).len(), board.next_deadline()), (0, Some(300)));
    let over = board.expired(300);
    assert_eq!(over.iter().map(|over| over.wait.deadline).collect::<Vec<_>>(), [100]);
}
