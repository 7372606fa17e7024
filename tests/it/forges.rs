//! The same behaviour on every forge: each story here runs once in each dialect of the embedded forge.

mod commands;
mod faults;
mod happenings;
mod only_gitlab;

use driftless::dev::forge::Dialect;
use driftless::ids::Oid;

use crate::story::manifests::config_map;
use crate::story::push::shop;
use crate::support::world::{Files, Setup, World};

/// Makes a test of each story for each dialect: `forges::happenings::gitlab::a_push_is_applied`.
macro_rules! on_each_forge {
    ($($story:ident),* $(,)?) => {
        mod github {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $story() {
                    super::$story(driftless::dev::forge::Dialect::GitHub).await;
                }
            )*
        }

        mod gitlab {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $story() {
                    super::$story(driftless::dev::forge::Dialect::GitLab).await;
                }
            )*
        }
    };
}
use on_each_forge;

/// A world in which the shop is up, and its base.
async fn up(words: &str, dialect: Dialect) -> (World, Oid) {
    up_with(words, Setup { dialect, ..Setup::default() }).await
}

async fn up_with(words: &str, setup: Setup) -> (World, Oid) {
    let name = match setup.dialect {
        Dialect::GitHub => format!("hub-{words}"),
        Dialect::GitLab => format!("lab-{words}"),
    };
    let world = World::with(&name, setup).await;
    let base = world.push(shop(&world)).await;
    if !world.has_webhooks() {
        world.poll().await;
    }
    world.healthy("shop", &base).await;
    world.settled().await;
    (world, base)
}

/// What the settings of the shop become.
fn settings(value: &str) -> Files {
    Files::new().file("deploy/settings.yaml", config_map("settings", value))
}

/// The forge's word for a status that fails.
fn failed(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::GitHub => "failure",
        Dialect::GitLab => "failed",
    }
}

/// What is in the path of requests about comments.
fn comments(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::GitHub => "/comments",
        Dialect::GitLab => "/notes",
    }
}
