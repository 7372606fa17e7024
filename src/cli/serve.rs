//! `serve`: the server, until it is told to stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rand::Rng;
use tokio::signal::unix::{SignalKind, signal};

use super::outcome::Outcome;
use crate::clock::SystemClock;
use crate::config::{Config, Environment};
use crate::lifecycle::{Stopped, Tasks};
use crate::schedule::FIRST_SPREAD;
use crate::{serve, telemetry};

/// A stage of a sync that has begun is finished within this; what is not is taken up again by the next start.
const GRACE: Duration = Duration::from_secs(50);

pub(super) async fn run(config: &Path, environment: &(dyn Environment + Sync)) -> anyhow::Result<Outcome> {
    telemetry::init_logs(&environment.var("RUST_LOG").unwrap_or_else(|| "info".to_owned()))?;
    let config = Config::load(config, environment)?;
    let tasks = Tasks::new();
    let _running = serve::start(config, surroundings(environment)?, &tasks).await?;
    stop_signal().await?;
    stop(&tasks, GRACE).await
}

/// What only the real process has.
pub(super) fn surroundings(environment: &(dyn Environment + Sync)) -> anyhow::Result<serve::Environment> {
    let _ = environment;
    Ok(serve::Environment {
        clock: Arc::new(SystemClock),
        seed: rand::rng().random(),
        launcher: std::env::current_exe().context("the path of this program is unknown")?,
        first_looks: FIRST_SPREAD,
        between_writes: None,
    })
}

/// SIGTERM, or Ctrl-C.
pub(super) async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

/// Softly, then hard; a second signal means now.
pub(super) async fn stop(tasks: &Tasks, grace: Duration) -> anyhow::Result<Outcome> {
    tracing::info!("stopping: finishing what has begun; a second signal stops at once");
    tokio::select! {
        stopped = tasks.stop(grace) => {
            if let Stopped::Dropped(left) = stopped {
                tracing::warn!(left, "tasks were stopped; the next start resumes them");
            }
        }
        second = stop_signal() => second?,
    }
    Ok(Outcome::Done)
}
