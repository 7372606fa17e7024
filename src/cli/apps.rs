//! `apps`, `sync`, `pause` and `resume`.

use anyhow::Context;
use clap::Args;

use super::client::{Server, app_path};
use super::outcome::Outcome;
use super::output::{self, Format};
use crate::api::{AppView, PauseRequest, SyncRequest};
use crate::command;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Also list apps that were removed more than a day ago.
    #[arg(long)]
    all: bool,
    /// List only apps with drift: in which fields, since when, and changed by whom.
    #[arg(long)]
    drift: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
pub(super) struct AppArgs {
    /// The app: NAME, or REPO/NAME if several repos use that name. `driftless apps` lists them.
    app: String,
    /// Your name, shown in the history beside your user ID.
    #[arg(long, value_name = "NAME", env = "USER")]
    by: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    #[command(flatten)]
    app: AppArgs,
    /// Pin the app to this commit (an ID, its first digits, a branch or a tag) until `driftless resume`.
    #[arg(long)]
    revision: Option<String>,
    /// Allow a --revision that is not in the history of the branch that the app follows. No pull request was reviewed
    /// for such a commit.
    #[arg(long, requires = "revision")]
    not_on_branch: bool,
    /// Confirm the deletions and replacements listed by the waiting run.
    #[arg(long)]
    allow_destructive: bool,
    /// Take over existing objects that no app owns.
    #[arg(long)]
    adopt: bool,
}

#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    app: AppArgs,
    /// End the pause after this time, such as 90m, 2h or 3d. The maximum is 30 days.
    #[arg(long = "for", value_name = "TIME")]
    lasts: Option<String>,
    /// Why the app is paused, shown in `driftless apps`.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) async fn list(args: &ListArgs, format: Format) -> anyhow::Result<Outcome> {
    let path = format!("/api/v1/apps?all={}&drift={}", args.all, args.drift);
    let apps: Vec<AppView> = args.server.get(&path).await?;
    match format {
        Format::Json => output::json(&apps)?,
        Format::Text if args.drift => {
            let (drifted, unknown): (Vec<_>, Vec<_>) = apps.into_iter().partition(|app| app.drift.is_some());
            if drifted.is_empty() {
                output::note(no_drift(!unknown.is_empty()));
            } else {
                output::line(drift_table(&drifted));
            }
            not_checked(&unknown).into_iter().for_each(output::note);
        }
        Format::Text if apps.is_empty() => output::note("no apps yet: they appear when their definitions are pushed"),
        Format::Text => output::line(apps_table(&apps)),
    }
    Ok(Outcome::Done)
}

fn apps_table(apps: &[AppView]) -> String {
    let rows = apps.iter().map(|app| {
        let revision = app.applied_revision.as_deref().map_or("-", |revision| &revision[..revision.len().min(10)]);
        [
            app.app.clone(),
            format!("{}/{}", app.cluster, app.namespace),
            app.state.clone(),
            app.health.clone().unwrap_or_else(|| "-".into()),
            revision.to_owned(),
            app.objects.to_string(),
            app.message.clone().unwrap_or_default(),
        ]
    });
    output::table(["APP", "DESTINATION", "STATE", "HEALTH", "REVISION", "OBJECTS", "MESSAGE"], rows)
}

fn no_drift(some_unknown: bool) -> &'static str {
    if some_unknown {
        "no drift in the checked apps, as of the last drift check of each cluster"
    } else {
        "no drift, as of the last drift check of each cluster"
    }
}

/// The apps whose drift is unknown, each with the reason.
fn not_checked(apps: &[AppView]) -> Option<String> {
    let one = |app: &AppView| format!("{} ({})", app.app, app.drift_unknown.as_deref().unwrap_or_default());
    let all: Vec<String> = apps.iter().map(one).collect();
    (!all.is_empty()).then(|| format!("not checked for drift: {}", all.join(", ")))
}

fn drift_table(apps: &[AppView]) -> String {
    let rows = apps.iter().map(|app| {
        [
            app.app.clone(),
            format!("{}/{}", app.cluster, app.namespace),
            app.state.clone(),
            app.drift_since.clone().unwrap_or_else(|| "-".into()),
            app.drift.clone().unwrap_or_default(),
        ]
    });
    output::table(["APP", "DESTINATION", "STATE", "SINCE", "DRIFT"], rows)
}

pub(super) async fn sync(args: SyncArgs, format: Format) -> anyhow::Result<Outcome> {
    let SyncArgs { app, revision, not_on_branch, allow_destructive, adopt } = args;
    ask(&app, "sync", &SyncRequest { revision, allow_destructive, adopt, not_on_branch }, format).await
}

pub(super) async fn pause(args: PauseArgs, format: Format) -> anyhow::Result<Outcome> {
    let seconds = args.lasts.as_deref().map(|text| {
        let lasts = command::duration(text).filter(|lasts| *lasts <= command::LONGEST_PAUSE);
        lasts
            .map(|lasts| lasts.as_secs().unsigned_abs())
            .with_context(|| format!("--for {text:?} is not a time of at most 30 days: use for example 90m, 2h or 3d"))
    });
    let request = PauseRequest { seconds: seconds.transpose()?, reason: args.reason };
    ask(&args.app, "pause", &request, format).await
}

pub(super) async fn resume(args: &AppArgs, format: Format) -> anyhow::Result<Outcome> {
    ask(args, "resume", &serde_json::json!({}), format).await
}

async fn ask<B: serde::Serialize>(args: &AppArgs, action: &str, body: &B, format: Format) -> anyhow::Result<Outcome> {
    let answer = args.server.post(&app_path(&args.app, action)?, args.by.as_deref(), body).await?;
    match format {
        Format::Json => output::json(&answer)?,
        Format::Text => output::line(&answer.message),
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_like_kubectl() {
        let app = |name: &str, state: &str, message: Option<&str>| AppView {
            app: format!("shop/{name}"),
            cluster: "prod".into(),
            namespace: "shop".into(),
            source: "shop refs/heads/main deploy".into(),
            state: state.into(),
            message: message.map(Into::into),
            health: Some("healthy".into()),
            applied_revision: Some("0123456789abcdef".into()),
            applied_at: None,
            objects: 4,
            paused_since: None,
            paused_by: None,
            paused_until: None,
            pause_reason: None,
            pinned_revision: None,
            pinned_by: None,
            pinned_since: None,
            pinned_off_branch: false,
            drift: None,
            drift_unknown: None,
            drift_since: None,
        };
        let failed = app("cart-service", "failed", Some("Deployment shop/cart: spec.replicas: must be positive"));
        insta::assert_snapshot!(apps_table(&[app("web", "synced", None), failed]));
        let drifted = AppView {
            drift: Some("Deployment shop/web differs in spec.replicas, by kubectl-edit".into()),
            drift_since: Some("2026-01-02T03:04:05Z".into()),
            ..app("web", "out-of-sync", None)
        };
        let fought = AppView {
            drift: Some("Deployment shop/cart differed in spec.replicas, by hpa, healed 2 times in a row".into()),
            ..app("cart-service", "synced", None)
        };
        let lines = drift_table(&[drifted, fought]);
        insta::assert_snapshot!(lines.replace("Deployment shop/", "D "), @r"
        APP                DESTINATION  STATE        SINCE                 DRIFT
        shop/web           prod/shop    out-of-sync  2026-01-02T03:04:05Z  D web differs in spec.replicas, by kubectl-edit
        shop/cart-service  prod/shop    synced       -                     D cart differed in spec.replicas, by hpa, healed 2 times in a row
        ");
        let failed = AppView { drift_unknown: Some("failed".into()), ..app("web", "failed", None) };
        let ignored = AppView { drift_unknown: Some("drift: ignore".into()), ..app("api", "synced", None) };
        let unknown = not_checked(&[failed, ignored]);
        assert_eq!(unknown.as_deref(), Some("not checked for drift: shop/web (failed), shop/api (drift: ignore)"));
        assert_eq!(not_checked(&[]), None);
        insta::assert_snapshot!(apps_table(&[app("web", "synced", None)]), @r"
        APP       DESTINATION  STATE   HEALTH   REVISION    OBJECTS
        shop/web  prod/shop    synced  healthy  0123456789  4
        ");
    }
}
