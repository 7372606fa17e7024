//! Where the programs are that `scripts/tool` builds.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of such a program: as the variable `DRIFTLESS_NAME` says, which `make test` sets, else in the cache.
pub fn program(name: &str) -> PathBuf {
    let variable = format!("DRIFTLESS_{}", name.to_uppercase().replace('-', "_"));
    let path = std::env::var_os(variable).map_or_else(|| cached(name), PathBuf::from);
    assert!(path.is_file(), "{} is not built: run `make test`, or `make tools` and the tests again", path.display());
    path
}

fn cached(name: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/tool");
    let output = Command::new(&script).args(["--print", name]).output().expect("scripts/tool runs");
    assert!(output.status.success(), "scripts/tool --print {name}: {}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
