//! The control plane as one process: the program built from `tests/apiserver`.

use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::access::Access;
use super::leash::{EndedBy, Leashed};
use super::program::{ControlPlaneError, ControlPlaneOptions, Parts, late, start_program};

/// Starts the program and waits for its line.
pub(super) async fn start(
    program: &Path,
    options: &ControlPlaneOptions,
    kubeconfig: &Path,
) -> Result<Parts, ControlPlaneError> {
    if !program.is_file() {
        return Err(ControlPlaneError::NotBuilt { program: program.to_owned() });
    }
    let directory = &options.directory;
    let mut arguments = vec![
        format!("--data-dir={}", directory.join("data").display()),
        format!("--kubeconfig-out={}", kubeconfig.display()),
        format!("--ready-timeout={}s", options.ready_within.as_secs()),
    ];
    if let Some(port) = options.port {
        arguments.push(format!("--port={port}"));
    }
    if options.ephemeral {
        // By the program, because we may be killed.
        arguments.push(format!("--remove-at-end={}", directory.display()));
    }
    let mut process = start_program(program, &arguments, EndedBy::Itself, options)?;
    wait_for_ready_line(program, &mut process, options).await?;
    Ok(Parts { processes: vec![process], access: Access::from_kubeconfig(kubeconfig)?, controllers: true })
}

/// The program says one line when it is ready, and nothing else on its standard output.
async fn wait_for_ready_line(
    program: &Path,
    process: &mut Leashed,
    options: &ControlPlaneOptions,
) -> Result<(), ControlPlaneError> {
    let output = process.output();
    let line = async {
        let mut lines = BufReader::new(output?).lines();
        lines.next_line().await.ok().flatten()
    };
    match tokio::time::timeout(options.ready_within, line).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => {
            let status = process.ended().await.map_or_else(|error| error.to_string(), |status| status.to_string());
            let (log, last_words) = (process.log().to_owned(), process.last_words());
            Err(ControlPlaneError::Ended { program: program.to_owned(), status, log, last_words })
        }
        Err(_) => Err(late(program, process, options.ready_within)),
    }
}
