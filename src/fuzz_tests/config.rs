//! The server's configuration: no panic, at least one text where it is wrong, each with a line of the file, and no
//! secret in any of them.

use std::path::Path;

use rand::Rng;
use rand::rngs::StdRng;

use super::mutate;
use crate::config::{Config, Environment};

const GOOD: &str = "\
instance: here
listen: 127.0.0.1:8080
timing: {quiet: 1s, resync: 10m}
hooks:
  - name: github
    forge: github
    secrets: [{env: HOOK_SECRET}]
    credentials: {token: {env: HOOK_SECRET}}
repos:
  - name: shop
    hook: github
    project: org/shop
    url: https://github.com/org/shop.git
    definitions: {branch: main, globs: ['apps/*.yaml']}
    allow: {clusters: [prod], namespaces: ['shop-*'], clusterScoped: [{kind: Namespace}]}
clusters:
  - {name: prod, kubeconfig: prod.kubeconfig, concurrency: 4}
";

const VALUE: &str = "hunter2hunter2";

struct One;

impl Environment for One {
    fn var(&self, name: &str) -> Option<String> {
        (name == "HOOK_SECRET").then(|| VALUE.to_owned())
    }
}

pub(super) fn case(random: &mut StdRng) {
    let mut text = GOOD.to_owned();
    for _ in 0..random.random_range(0..3) {
        text = mutate::lossy(random, &text);
    }
    let lines = u32::try_from(text.lines().count()).expect("few") + 1;
    match Config::parse(Path::new("/nowhere/driftless.yaml"), &text, &One) {
        Ok(config) => assert!(!format!("{config:?}").contains(VALUE)),
        Err(error) => {
            assert!(!error.problems.is_empty() && !error.to_string().contains(VALUE), "{error}");
            for problem in &error.problems {
                assert!(problem.line <= lines && !problem.message.is_empty(), "{problem:?} of {lines} lines");
            }
        }
    }
}
