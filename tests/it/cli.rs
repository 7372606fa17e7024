//! The program as people and scripts run it: where its output goes, what a check finds, and which files it looks for.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn driftless(args: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    command
        .args(args)
        .current_dir(folder)
        .env("HOOK_SECRET", "hook")
        .env_remove("DRIFTLESS_CONFIG")
        .stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// L1: whoever reads the output may stop at any time, and a full disk is an error and no panic.
#[test]
fn output_that_nobody_takes_is_no_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    for format in ["text", "json"] {
        let args = ["check", "--config", "nothing.yaml", "-o", format];
        let mut child =
            driftless(&args, folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(1), ""), "{format}");

        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let output = driftless(&args, folder.path()).stdout(full).stderr(Stdio::piped()).output().expect("it ends");
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert!(said(&output).contains("the result could not be written"), "{format}: {}", said(&output));
    }
}

/// Who has passed a kubeconfig is told what is wrong with that one.
#[test]
fn a_kubeconfig_that_is_missing_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("map.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
        .expect("written");
    let output = driftless(&["preview", ".", "--kubeconfig", "nofile"], folder.path()).output().expect("it ends");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the kubeconfig nofile cannot be used") && said.contains("No such file"), "{said}");
    assert!(!said.contains("pass a kubeconfig"), "{said}");
}

const CONFIG: &str = "\
renderer: ./no-renderer
hooks:
  - {name: github, forge: github, secrets: [{env: HOOK_SECRET}]}
  - {name: unused, forge: github, secrets: [{env: HOOK_SECRET}]}
repos:
  - name: shop
    hook: github
    project: org/shop
    url: https://github.com/org/shop.git
    definitions: {branch: main, globs: ['apps/*.yaml']}
    allow: {clusters: [prd, 'pro*'], namespaces: [shop]}
clusters:
  - {name: prod, kubeconfig: no-kubeconfig}
";

/// L3: what `serve` would refuse, and what leaves it with nothing to do, is found by a check that asks nobody.
#[test]
fn a_check_finds_what_would_not_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |text: &str| {
        std::fs::write(folder.path().join("driftless.yaml"), text).expect("written");
        let output = driftless(&["check", "--config", "driftless.yaml"], folder.path()).output().expect("it ends");
        (said(&output), output.status.code())
    };
    let (told, code) = check(CONFIG);
    assert_eq!(code, Some(1), "{told}");
    for wrong in [
        "no-renderer cannot be used",
        "no-kubeconfig",
        "repo shop: allow.clusters has \"prd\", which matches no cluster of the configuration (prod)",
    ] {
        assert!(told.lines().any(|line| line.starts_with("ERROR") && line.contains(wrong)), "{wrong}: {told}");
    }
    assert!(told.contains("note  hook unused: no repo uses it") && !told.contains("\"pro*\""), "{told}");

    let (told, code) = check("hooks: []\n");
    assert_eq!(code, Some(1), "{told}");
    for list in ["hooks", "repos", "clusters"] {
        assert!(told.contains(&format!("{list} is empty")), "{told}");
    }
}

/// L8: the container, the manifests, the page and the program speak of the same files.
#[test]
fn files_have_one_name_everywhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    let help = said(&driftless(&["serve", "--help"], root).output().expect("it ends"));
    for (place, text) in [
        ("serve --help", help),
        ("the Containerfile", read("deploy/Containerfile")),
        ("the Deployment", read("deploy/base/deployment.yaml")),
        ("the page", read("docs/configuration.md")),
    ] {
        assert!(text.contains("/etc/driftless/driftless.yaml"), "{place}");
        assert!(!text.contains("config.yaml"), "{place}");
    }
    for place in ["README.md", "deploy/Containerfile", "docs/configuration.md"] {
        assert!(read(place).contains("bin/driftless-renderer"), "{place}");
    }
    assert!(read("README.md").contains("Write `driftless.yaml`"));
}

/// L7: the states that README explains are states that an app can have, as the API lists them.
#[test]
fn states_that_the_readme_names_exist() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path);
    let (api, readme) = (read("src/api.rs"), read("README.md"));
    let (before, _) = api.split_once("pub state: String,").expect("the state of an app");
    let listed = before.rsplit_once("pub source: String,").expect("what stands before it").1;
    let states: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    assert!(states.contains(&"synced"), "{states:?}");
    let named: Vec<&str> = readme.split("in state `").skip(1).filter_map(|text| text.split('`').next()).collect();
    assert!(named.len() >= 2, "README explains some of them");
    for state in named {
        assert!(states.contains(&state), "README explains the state {state:?}, and there are {states:?}");
    }
}
