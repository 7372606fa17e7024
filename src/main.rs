//! The program: arguments in, an exit status out. The rest is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    driftless::cli::run()
}
