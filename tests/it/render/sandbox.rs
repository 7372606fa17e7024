//! The box itself, tried by a program that wants out.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use driftless::render::sandbox;

use super::worker;

/// Builds a program of tests/probe; it is static, as the worker is.
pub fn build(dir: &str, program: &Path) -> io::Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let built = Command::new("go")
        .env("CGO_ENABLED", "0")
        .current_dir(source)
        .args(["build", "-o"])
        .arg(program)
        .arg(".")
        .output();
    let built =
        built.map_err(|error| io::Error::other(format!("go: {error}; install Go, the renderer is built with it")))?;
    if !built.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&built.stderr).into_owned()));
    }
    Ok(())
}

/// The program that tries to leave the box.
fn probe() -> io::Result<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe");
    build("tests/probe", &program)?;
    Ok(program)
}

fn boxed(program: &Path) -> io::Result<Output> {
    boxed_with(&[], program)
}

fn boxed_with(arguments: &[&str], program: &Path) -> io::Result<Output> {
    let launcher = env!("CARGO_BIN_EXE_driftless");
    Command::new(launcher)
        .arg("sandbox")
        .args(arguments)
        .arg(program)
        .env("SECRET", "leaked")
        .stdin(Stdio::null())
        .output()
}

/// On older kernels Landlock does less: what the box keeps in is the same at each version, by seccomp alone where it
/// has to be. Forced here by using no more of this kernel's Landlock than such a kernel has.
#[test]
fn the_box_holds_with_each_version_of_landlock() -> io::Result<()> {
    let probe = probe()?;
    let newest = boxed(&probe)?;
    for version in ["1", "2", "3", "4", "5", "6"] {
        let output = boxed_with(&["--newest", version], &probe)?;
        assert!(output.status.success(), "ABI {version}: {}", String::from_utf8_lossy(&output.stderr));
        let (said, expected) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&newest.stdout));
        assert_eq!(said, expected, "ABI {version}");
        let open = said.lines().filter(|line| line.ends_with(": done")).collect::<Vec<_>>();
        assert_eq!(open, ["compute: done"], "ABI {version}");
    }
    Ok(())
}

/// With the oldest version of Landlock a worker starts, says hello and ends as it should.
#[test]
fn the_worker_runs_with_each_version_of_landlock() -> io::Result<()> {
    for version in ["1", "2", "3", "4", "5", "6"] {
        let output = boxed_with(&["--newest", version], &worker())?;
        assert!(output.status.success(), "ABI {version}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("\"kind\":\"hello\""));
    }
    Ok(())
}

#[test]
fn a_kernel_that_lacks_what_is_required_is_refused() -> io::Result<()> {
    for (arguments, says) in [
        (["--newest", "0"].as_slice(), "error: this kernel has no Landlock"),
        (
            &["--newest", "3", "--required", "4"],
            "error: this kernel's Landlock is ABI 3, and the configuration requires 4.",
        ),
    ] {
        let output = boxed_with(arguments, &worker())?;
        assert_eq!(output.status.code(), Some(sandbox::NOT_BOXED.into()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with(says), "{said}");
    }
    Ok(())
}

#[test]
fn nothing_leads_out_of_the_box() -> io::Result<()> {
    let output = boxed(&probe()?)?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(said, @r"
    open a file: refused
    list the root: refused
    read its own memory map: refused
    write a file: refused
    make a directory: refused
    remove a file: refused
    rename a file: refused
    make a link: refused
    look at a file: refused
    change directory: refused
    dial TCP: refused
    dial UDP: refused
    dial a Unix socket: refused
    dial an abstract socket: refused
    open a device: refused
    truncate a file: refused
    listen: refused
    resolve a name: refused
    run a program: refused
    become a program: refused
    fork: refused
    kill its parent: refused
    signal a thread of its parent: refused
    trace: refused
    mount: refused
    make a namespace: refused
    load a BPF program: refused
    set up an io_uring: refused
    make a memory file: refused
    change its user: refused
    environment: 0 variables
    arguments: 0
    raise a limit: refused
    limit its parent: refused
    compute: done
    ");
    Ok(())
}

/// Outside the box most of it works: the probe can tell the difference.
#[test]
fn the_probe_can_tell_a_box_from_none() -> io::Result<()> {
    let output = Command::new(probe()?).env_clear().stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    for what in ["open a file", "list the root", "listen", "change directory"] {
        assert!(said.contains(&format!("{what}: done")), "{said}");
    }
    Ok(())
}

#[test]
fn the_launcher_says_why_it_could_not() -> io::Result<()> {
    let output = boxed(Path::new("/nowhere/worker"))?;
    assert_eq!(output.status.code(), Some(sandbox::NOT_BOXED.into()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("error: cannot open the worker /nowhere/worker"), "{said}");
    Ok(())
}

/// Between its start and its end a worker gets no file descriptor but its three pipes.
#[test]
fn the_worker_starts_and_ends_with_its_pipe() -> io::Result<()> {
    let output = boxed(&worker())?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"kind\":\"hello\""));
    Ok(())
}
