//! All of GitHub's own example payloads, signed and delivered: none that is used may be refused.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use driftless_webhooks::{Delivery, Event, Forge, Rejection, Secret, parse, verify};
use serde_json::Value;

const PACKAGE: &str = "tests/node/node_modules/@octokit/webhooks-examples";

/// One event of the package: its name and its payloads.
struct Example {
    name: String,
    payloads: Vec<Value>,
}

fn package() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PACKAGE);
    assert!(
        package.is_dir(),
        "GitHub's example payloads are not installed in {PACKAGE}: run `make test`, or `npm ci --prefix tests/node` at \
         the root of the repository"
    );
    package
}

/// The examples of one of GitHub's products: `api.github.com`, or an Enterprise Server.
fn examples(product: &Path) -> Vec<Example> {
    let file = product.join("index.json");
    let text = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let events: Vec<Value> = serde_json::from_slice(&text).expect("a list of events");
    events
        .into_iter()
        .map(|mut event| Example {
            name: event["name"].as_str().expect("a name").to_owned(),
            payloads: event["examples"].as_array_mut().map(std::mem::take).expect("a list of payloads"),
        })
        .collect()
}

fn deliver(event: &str, payload: &Value) -> Result<Delivery, Rejection> {
    let secret = Secret::new("It's a Secret to Everybody").expect("not empty");
    let body = payload.to_string();
    let signature = secret.github_signature(body.as_bytes());
    let headers = [
        ("Content-Type", "application/json"),
        ("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("X-GitHub-Event", event),
        ("X-Hub-Signature-256", signature.as_str()),
    ];
    parse(verify(Forge::GitHub, &headers, body.as_bytes(), &[secret], 0)?)
}

fn read(example: &Example) -> impl Iterator<Item = Event> {
    example.payloads.iter().enumerate().map(|(index, payload)| match deliver(&example.name, payload) {
        Ok(delivery) => delivery.event,
        Err(rejection) => panic!("{} {index}: {rejection}", example.name),
    })
}

#[test]
fn every_example_is_read_as_what_it_is() {
    let examples = examples(&package().join("api.github.com"));
    let payloads: usize = examples.iter().map(|example| example.payloads.len()).sum();
    assert_eq!((examples.len(), payloads), (58, 329), "events and payloads of version 7.6.1");
    let mut table = String::new();
    for example in &examples {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for event in read(example) {
            *kinds.entry(event.kind()).or_default() += 1;
        }
        writeln!(table, "{}: {kinds:?}", example.name).expect("a String takes all");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn every_example_that_is_used_is_read_in_full() {
    let used = ["push", "pull_request", "issue_comment", "merge_group"];
    let mut told = String::new();
    for example in
        examples(&package().join("api.github.com")).iter().filter(|example| used.contains(&example.name.as_str()))
    {
        for event in read(example) {
            writeln!(told, "{event:?}").expect("a String takes all");
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn enterprise_servers_are_read_too() {
    let mut products = 0;
    for folder in fs::read_dir(package()).expect("readable") {
        let folder = folder.expect("readable").path();
        if folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ghes-")) {
            products += 1;
            for example in examples(&folder) {
                assert!(read(&example).count() > 0, "{}", example.name);
            }
        }
    }
    assert_eq!(products, 5);
}
