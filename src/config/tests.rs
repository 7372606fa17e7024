use std::collections::HashMap;

use super::*;

struct Table(HashMap<&'static str, &'static str>);

impl Environment for Table {
    fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| (*value).to_owned())
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    let table = Table(HashMap::from([("HOOK_SECRET", "s3cret\n"), ("TOKEN", "t0ken"), ("EMPTY", "")]));
    Config::parse(Path::new("/etc/driftless/driftless.yaml"), text, &table)
}

const VALID: &str = "\
hooks:
  - name: github
    forge: github
    secrets: [{env: HOOK_SECRET}]
    credentials: {token: {env: TOKEN}}
repos:
  - name: shop
    hook: github
    project: Org/Shop
    url: https://github.com/org/shop.git
    definitions: {branch: main, globs: ['apps/*.yaml']}
    allow: {clusters: [prod], namespaces: ['shop-*']}
clusters:
  - name: prod
    kubeconfig: prod.kubeconfig
";

#[test]
fn a_small_file_has_the_documented_defaults() {
    let config = parse(VALID).expect("a valid file");
    assert_eq!(config.instance, "driftless");
    assert_eq!(config.timing.quiet, Duration::from_secs(1));
    assert_eq!(config.timing.resync, Duration::from_mins(10));
    assert_eq!(config.hooks[0].api.as_str(), "https://api.github.com/");
    assert_eq!(config.repos[0].definitions_ref, "refs/heads/main");
    assert_eq!(config.clusters[0].concurrency, 16);
    let kubeconfig = PathBuf::from("/etc/driftless/prod.kubeconfig");
    assert_eq!(config.clusters[0].access, ClusterAccess::Kubeconfig { path: kubeconfig, context: None });
}

#[test]
fn no_secret_is_printed() {
    let printed = format!("{:?}", parse(VALID).expect("a valid file"));
    assert!(!printed.contains("s3cret") && !printed.contains("t0ken"), "{printed}");
}

#[test]
fn everything_wrong_is_named_at_once_with_its_line() {
    let text = VALID
        .replace("hook: github\n", "hook: gitlab\n")
        .replace("env: HOOK_SECRET", "env: NOT_SET")
        .replace("https://github.com/org", "https://user:pw@github.com/org")
        .replace("kubeconfig: prod.kubeconfig", "context: x")
        + "  - name: prod\n    inCluster: true\ntiming: {quiet: soon}\n";
    insta::assert_snapshot!(parse(&text).expect_err("many errors"));
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let error = parse(&VALID.replace("    project:", "    projekt:")).expect_err("an unknown key");
    insta::assert_snapshot!(error);
}

#[test]
fn hooks_need_secrets_and_secrets_need_content() {
    let error = parse(&VALID.replace("[{env: HOOK_SECRET}]", "[]")).expect_err("no secret");
    assert!(error.to_string().contains("has no secrets"), "{error}");
    let error = parse(&VALID.replace("HOOK_SECRET", "EMPTY")).expect_err("an empty secret");
    assert!(error.to_string().contains("the secret is empty"), "{error}");
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    for (more, why) in [
        ("timing: {resync: 0s}\n", "1: timing.resync: 1s is the least"),
        ("timing: {resync: 500ms}\n", "1: timing.resync: 1s is the least"),
        ("timing: {health: 9999999h}\n", "1: timing.health: 30 days are the most"),
        ("timing: {quiet: -1s}\n", "1: timing.quiet: it is negative"),
        ("destructive: {share: 1.5}\n", "1: destructive.share: a part of an app from 0 to 1 is expected, not 1.5"),
        ("destructive: {share: .nan}\n", "1: destructive.share: a part"),
    ] {
        let error = parse(&format!("{more}{VALID}")).expect_err(more).to_string();
        assert!(error.contains(why), "{more}{error}");
    }
}

#[test]
fn what_no_fetch_could_use_is_refused_at_the_start() {
    let error = parse(&VALID.replace("https://github.com", "http://git.example")).expect_err("http").to_string();
    assert!(error.contains("10: url: http:// is only taken for this machine"), "{error}");
    parse(&VALID.replace("https://github.com", "http://127.0.0.1:3000")).expect("this machine");
    let long = "s".repeat(81);
    let error = parse(&VALID.replace("name: shop", &format!("name: {long}"))).expect_err("a long name").to_string();
    assert!(error.contains("at most 80 bytes"), "{error}");
}

#[test]
fn a_star_stays_within_its_folder() {
    let globs = |text: &str| parse(&VALID.replace("apps/*.yaml", text)).expect("valid").repos.remove(0).definitions;
    let shallow = globs("apps/*.yaml");
    assert!(shallow.is_match("apps/web.yaml") && !shallow.is_match("apps/chart/templates/web.yaml"));
    let deep = globs("apps/**/*.yaml");
    assert!(deep.is_match("apps/web.yaml") && deep.is_match("apps/eu/web.yaml"));
}
