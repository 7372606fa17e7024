//! The command line, with a small file for each command. The work of a command is elsewhere.

mod apps;
mod check;
mod client;
#[cfg(feature = "dev")]
mod dev;
mod jobs;
mod outcome;
mod output;
mod preview;
mod runs;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Environment, ProcessEnvironment};
use crate::render::sandbox::Landlock;
use outcome::Outcome;
use output::Format;

#[derive(Debug, Parser)]
#[command(name = "driftless", version, about = "Keeps Kubernetes clusters in sync with Git, driven by webhooks")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Output format: text for people, json for programs.
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", default_value_t)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(ConfigFile),
    /// Try Driftless on this machine, with a forge, a cluster and a sample repository.
    #[cfg(feature = "dev")]
    Dev(dev::DevArgs),
    /// Check the configuration and the definitions of apps.
    ///
    /// With --online, also checks the permissions at the forges and in the clusters. Changes nothing.
    Check(check::CheckArgs),
    /// Show what a folder or a pull request would change in a cluster.
    ///
    /// Exits 0 for no change, 2 for changes and 1 for an error. Changes nothing.
    Preview(preview::PreviewArgs),
    /// Sync an app now.
    Sync(apps::SyncArgs),
    /// List the apps with their state.
    Apps(apps::ListArgs),
    /// List previews, syncs and heals, newest first.
    Runs(runs::RunsArgs),
    /// List queued, running and failing jobs.
    Jobs(jobs::JobsArgs),
    /// Pause an app: nothing is applied, healed or deleted until you resume it, except by `driftless sync`.
    Pause(apps::PauseArgs),
    /// End a pause and sync the app. If the app is not paused, end its pin.
    Resume(apps::AppArgs),
    /// Enter the renderer's sandbox and start its worker.
    #[command(hide = true)]
    Sandbox(SandboxArgs),
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", env = "DRIFTLESS_CONFIG", default_value = "/etc/driftless/driftless.yaml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct SandboxArgs {
    /// The lowest Landlock ABI that the kernel must support.
    #[arg(long, default_value_t = 1)]
    required: u8,
    /// The newest Landlock ABI to use.
    #[arg(long, default_value_t = Landlock::NEWEST)]
    newest: u8,
    worker: PathBuf,
}

pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => return say(&usage),
    };
    if let Command::Sandbox(arguments) = &arguments.command {
        return sandbox(arguments);
    }
    match runtime().and_then(|runtime| runtime.block_on(dispatch(arguments))) {
        Ok(_) if !output::is_complete() => ExitCode::FAILURE,
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Changes) => ExitCode::from(2),
        Ok(Outcome::Wrong) => ExitCode::FAILURE,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Help and versions are answers. A usage error exits 1, as any other error: 2 would mean that there are changes.
fn say(usage: &clap::Error) -> ExitCode {
    let told = usage.print();
    if usage.use_stderr() || told.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// No runtime may exist when the process enters the sandbox.
fn sandbox(SandboxArgs { required, newest, worker }: &SandboxArgs) -> ExitCode {
    let error = crate::render::sandbox::enter_and_exec(worker, Landlock { required: *required, newest: *newest });
    output::error(&anyhow::Error::from(error));
    ExitCode::from(crate::render::sandbox::NOT_BOXED)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.install_default().map_err(|_| anyhow::anyhow!("another TLS provider is installed"))?;
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<Outcome> {
    let format = arguments.output;
    let environment: &(dyn Environment + Sync) = &ProcessEnvironment;
    match arguments.command {
        Command::Serve(file) => serve::run(&file.config, environment).await,
        #[cfg(feature = "dev")]
        Command::Dev(args) => dev::run(args, environment).await,
        Command::Check(args) => check::run(&args, environment, format).await,
        Command::Preview(args) => preview::run(args, environment, format).await,
        Command::Sync(args) => apps::sync(args, format).await,
        Command::Apps(args) => apps::list(&args, format).await,
        Command::Runs(args) => runs::list(&args, format).await,
        Command::Jobs(args) => jobs::list(&args, format).await,
        Command::Pause(args) => apps::pause(args, format).await,
        Command::Resume(args) => apps::resume(&args, format).await,
        Command::Sandbox(_) => Ok(Outcome::Wrong),
    }
}

#[cfg(test)]
pub(crate) fn command_names() -> Vec<String> {
    use clap::CommandFactory;
    Arguments::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[cfg(test)]
mod reference_tests;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_reads_well() {
        insta::assert_snapshot!(Arguments::command().render_long_help());
    }
}
