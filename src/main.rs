use std::env;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use driftless::render::sandbox;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().collect();
    if let [_, command, worker] = arguments.as_slice()
        && command == "sandbox"
    {
        let error = sandbox::enter_and_exec(Path::new(worker));
        let _ = writeln!(std::io::stderr(), "{error}");
        return ExitCode::from(sandbox::NOT_BOXED);
    }
    ExitCode::SUCCESS
}
