//! A forge that limits, fails, or loses its answers: nothing is said twice, and in the end all is said.

use driftless::dev::forge::{ApiFault, Dialect};
use http::Method;

use super::{comments, on_each_forge, settings, up};
use crate::support::world::{PROJECT, World};

on_each_forge!(
    a_limit_is_waited_for,
    a_forge_that_fails_is_asked_again,
    an_answer_that_is_lost_doubles_nothing,
    a_forge_that_hides_a_pull_request_for_a_while,
);

/// Opens a pull request, and waits until its gate and its only comment are right.
async fn told_once(world: &World, dialect: Dialect) {
    let pull = world.open_pull("two", settings("two")).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.comment(pull.number, "Merging changes 1 app.").await;
    world.settled().await;
    assert_eq!(world.forge.comments(PROJECT, pull.number).len(), 1);
    let asked = world.forge.faults().requests();
    let writes = asked.iter().filter(|line| line.starts_with("POST") && line.contains(comments(dialect))).count();
    assert!((1..=3).contains(&writes), "{asked:#?}");
}

async fn a_limit_is_waited_for(dialect: Dialect) {
    let (world, _) = up("limit", dialect).await;
    let faults = world.forge.faults();
    faults.add(Some(Method::POST), "/statuses/", 1, ApiFault::PrimaryLimit { reset_after: 1 });
    faults.add(Some(Method::POST), comments(dialect), 1, ApiFault::SecondaryLimit { retry_after: Some(1) });
    told_once(&world, dialect).await;
}

async fn a_forge_that_fails_is_asked_again(dialect: Dialect) {
    let (world, _) = up("fails", dialect).await;
    let faults = world.forge.faults();
    faults.add(Some(Method::POST), "/statuses/", 2, ApiFault::Status(502));
    faults.add(Some(Method::POST), comments(dialect), 1, ApiFault::Status(503));
    faults.add(Some(Method::GET), comments(dialect), 1, ApiFault::Status(500));
    told_once(&world, dialect).await;
}

async fn an_answer_that_is_lost_doubles_nothing(dialect: Dialect) {
    let (world, _) = up("answer", dialect).await;
    let faults = world.forge.faults();
    faults.add(Some(Method::POST), "/statuses/", 1, ApiFault::LoseAnswer);
    faults.add(Some(Method::POST), comments(dialect), 1, ApiFault::LoseAnswer);
    told_once(&world, dialect).await;
}

async fn a_forge_that_hides_a_pull_request_for_a_while(dialect: Dialect) {
    let (world, _) = up("hides", dialect).await;
    let path = match dialect {
        Dialect::GitHub => "/pulls/1",
        Dialect::GitLab => "/merge_requests/1",
    };
    world.forge.faults().add(Some(Method::GET), path, 2, ApiFault::Status(502));
    told_once(&world, dialect).await;
}
