mod reference;

use std::collections::HashMap;

use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// C9+: two hooks of one forge would report on a project in each other's place.
#[test]
fn one_project_is_one_repo_whatever_its_hook() {
    let hook = "repos:\n  - name: again\n    hook: other\n    project: org/shop\n    url: https://github.com/org/shop.git\n    \
                definitions: {branch: main, globs: ['other/*.yaml']}\n    allow: {clusters: [prod], namespaces: [other]}\n";
    let text = VALID.replacen("repos:\n", hook, 1).replacen(
        "repos:\n",
        "  - {name: other, forge: github, url: 'https://api.github.com/', secrets: [{env: HOOK_SECRET}]}\nrepos:\n",
        1,
    );
    let error = parse(&text).expect_err("refused").to_string();
    assert!(error.contains("is listed twice for one forge"), "{error}");
    for same in [
        "https://API.github.com",
        "https://api.github.com:443/",
        "https://api.github.com./",
        "http://api.github.com:443",
    ] {
        let error = parse(&text.replace("https://api.github.com/", same)).expect_err(same).to_string();
        assert!(error.contains("is listed twice for one forge"), "{same}: {error}");
    }
    let elsewhere = text.replace("https://api.github.com/", "https://github.example.com/api/v3");
    parse(&elsewhere).expect("another forge has projects of its own");
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
        ("timing: {resync: 0s}\n", "1: timing.resync: the minimum is 1s"),
        ("timing: {resync: 500ms}\n", "1: timing.resync: the minimum is 1s"),
        ("timing: {health: 9999999h}\n", "1: timing.health: the maximum is 30 days"),
        ("timing: {quiet: -1s}\n", "1: timing.quiet: it is negative"),
        ("destructive: {share: 1.5}\n", "1: destructive.share: use a number from 0 to 1, not 1.5"),
        ("destructive: {share: .nan}\n", "1: non-finite float"),
    ] {
        let error = parse(&format!("{more}{VALID}")).expect_err(more).to_string();
        assert!(error.contains(why), "{more}{error}");
    }
}

/// L4+: what could never work is refused, and all of it in one round.
#[test]
fn what_could_never_work_is_refused_in_one_round() {
    let text = VALID
        .replace("forge: github\n", "forge: github\n    url: https://gitlab.example/api\n")
        .replace("branch: main", "branch: 'a b'")
        .replace("kubeconfig: prod.kubeconfig", "kubeconfig: prod.kubeconfig\n    concurrency: 0")
        .replace("    allow:", "    mayRead: [shop]\n    allow:");
    let error = parse(&format!("workers: 0\n{text}")).expect_err("wrong").to_string();
    insta::assert_snapshot!(error);
    parse(&format!("workers: 1\n{VALID}")).expect("the least");
    parse(&format!("workers: 1001\n{VALID}")).expect_err("too many");
}

#[test]
fn what_no_fetch_could_use_is_refused_at_the_start() {
    let error = parse(&VALID.replace("https://github.com", "http://git.example")).expect_err("http").to_string();
    assert!(error.contains("10: url: http:// is accepted only for this machine"), "{error}");
    parse(&VALID.replace("https://github.com", "http://127.0.0.1:3000")).expect("this machine");
    let long = "s".repeat(81);
    let error = parse(&VALID.replace("name: shop", &format!("name: {long}"))).expect_err("a long name").to_string();
    assert!(error.contains("has 81 bytes; the limit is 80"), "{error}");
}

#[test]
fn a_star_stays_within_its_folder() {
    let globs = |text: &str| parse(&VALID.replace("apps/*.yaml", text)).expect("valid").repos.remove(0).definitions;
    let shallow = globs("apps/*.yaml");
    assert!(shallow.is_match("apps/web.yaml") && !shallow.is_match("apps/chart/templates/web.yaml"));
    let deep = globs("apps/**/*.yaml");
    assert!(deep.is_match("apps/web.yaml") && deep.is_match("apps/eu/web.yaml"));
}

/// L4: whatever has not the form that it should have is named at once, in words that say what to write, and without the
/// values.
#[test]
fn every_structural_fault_is_named_at_once() {
    let text = "\
listenn: 127.0.0.1:8080
workers: -1
timing: [1s]
hooks:
  - name: github
    secrets: [abc, {env: HOOK_SECRET, fil: x}]
    credentials: hunter2
  - forge: github
repos:
  - name: shop
    hook: github
    projekt: org/shop
    url: https://github.com/org/shop.git
    definitions: {branch: main, globs: 'apps/*.yaml'}
    allow: {clusters: prod, clusterScoped: [{kind: Namespace, names: x}]}
  - just a text
clusters:
  prod: {kubeconfig: x}
";
    let error = parse(text).expect_err("many faults");
    assert!(!error.to_string().contains("abc") && !error.to_string().contains("hunter2"), "{error}");
    insta::assert_snapshot!(error);
}

/// L4: Git's own form of an SSH address is the usual mistake.
#[test]
fn an_ssh_address_is_called_one() {
    for (given, said) in [
        (
            "git@github.com:org/shop.git",
            "this is an SSH address. Driftless clones over https, with the hook's credentials: \
             https://github.com/org/shop.git",
        ),
        ("ssh://git@github.com/org/shop.git", "the URL contains a credential"),
        ("ssh://github.com/org/shop.git", "use https, not ssh; Driftless clones over https"),
        ("github.com/org/shop", "this is not a URL; use https://HOST/PATH"),
    ] {
        let error = parse(&VALID.replace("https://github.com/org/shop.git", given)).expect_err(given).to_string();
        assert!(error.contains(&format!(":10: url: {said}")), "{error}");
    }
}

/// L3: what `serve` refuses is refused here, and a project that no delivery can name.
#[test]
fn what_serve_refuses_is_told_before() {
    let app = "credentials: {app: {id: 1, privateKey: {env: HOOK_SECRET}}}\n    secrets:";
    let with_app = VALID.replace("forge: github", "forge: gitlab").replace("secrets:", app);
    let with_app = with_app.replacen("    credentials: {token", "    #", 1);
    let error = parse(&with_app).expect_err("an App").to_string();
    assert!(error.contains("credentials.app is for GitHub Apps only. Set credentials.token"), "{error}");
    for project in ["Shop", "Org/", "'/Shop'", "'Org/My Shop'"] {
        let error = parse(&VALID.replace("Org/Shop", project)).expect_err(project).to_string();
        assert!(error.contains(":9: project: use the forge's full name"), "{project}: {error}");
    }
}

/// GitLab's API is used with a token, at gitlab.com or elsewhere; the address of the site and of its API are the same.
#[test]
fn a_gitlab_has_a_token() {
    let text = VALID.replace("forge: github", "forge: gitlab").replace("project: Org/Shop", "project: Org/Sub/Shop");
    let hook = parse(&text).expect("a valid file").hooks.remove(0);
    assert_eq!((hook.forge, hook.api.as_str()), (ForgeKind::GitLab, "https://gitlab.com/"));
    assert!(matches!(hook.credentials, Some(Credentials::Token(_))));
    let two = text.replace(
        "repos:\n",
        "  - {name: other, forge: gitlab, url: 'https://gitlab.com/api/v4', secrets: [{env: HOOK_SECRET}]}\n\
         repos:\n  - name: again\n    hook: other\n    project: org/sub/shop\n    \
         url: https://gitlab.com/org/sub/shop.git\n    \
         definitions: {branch: main, globs: ['apps/*.yaml']}\n    \
         allow: {clusters: [prod], namespaces: ['shop-*']}\n",
    );
    let error = parse(&two).expect_err("the same project twice").to_string();
    assert!(error.to_lowercase().contains("org/sub/shop"), "{error}");
}

/// X8: probes have an address of their own, whatever is configured.
#[test]
fn probes_are_beside_the_webhooks() {
    let probes = |more: &str| parse(&format!("{more}\n{VALID}")).expect(more).probes.to_string();
    assert_eq!(probes(""), "0.0.0.0:8081");
    assert_eq!(probes("listen: 127.0.0.1:9000"), "127.0.0.1:9001");
    assert_eq!(probes("listen: 127.0.0.1:0"), "127.0.0.1:0");
    assert_eq!(probes("listen: '[::1]:65535'"), "[::1]:65534");
    assert_eq!(probes("probes: 127.0.0.1:1"), "127.0.0.1:1");
    let error = parse(&format!("probes: 0.0.0.0:8080\n{VALID}")).expect_err("the same").to_string();
    assert!(error.contains(":1: probes: the webhooks are served at this address"), "{error}");
}

/// A19: what is called a default is one.
#[test]
fn numbers_of_the_specification_are_configuration() {
    let config = parse(VALID).expect("valid");
    assert_eq!((config.heals, config.comment_parts, config.propagation), (3, 10, Propagation::Background));
    let config =
        parse(&format!("healing: {{attempts: 5}}\ncomment: {{parts: 2}}\nprune: {{propagation: foreground}}\n{VALID}"));
    let config = config.expect("valid");
    assert_eq!((config.heals, config.comment_parts, config.propagation), (5, 2, Propagation::Foreground));
    for (more, why) in [
        ("healing: {attempts: 0}", "healing.attempts: use a number from 1 to 1000, not 0"),
        ("comment: {parts: 51}", "comment.parts: use a number from 1 to 50, not 51"),
        ("prune: {propagation: orphan}", "prune.propagation: use background or foreground, not \"orphan\""),
    ] {
        let error = parse(&format!("{more}\n{VALID}")).expect_err(more).to_string();
        assert!(error.contains(why), "{error}");
    }
}

/// L4+: faults of form hide none of meaning, and what is wrong in form makes nothing else wrong.
#[test]
fn form_and_meaning_are_told_in_one_round() {
    let text = "\
workers: many
timing: {resync: 0s}
listenn: 127.0.0.1:8080
destructive:
  share: 7
  limit: 3
hooks:
  - name: github
    forge: github
    secrets: [{env: HOOK_SECRET}]
  - name: typo
    forgee: github
    secrets: [{env: HOOK_SECRET}]
repos:
- name: shop
  hook: github
  project: shop
  url: https://github.com/org/shop.git
  definitions:
    branch: main
    globs: ['apps/*.yaml']
  extra:
  - 1
- name: of-typo
  hook: typo
  project: org/other
  url: http://git.example/org/other.git
  definitions: {branch: main, globs: ['apps/*.yaml']}
  mayRead: [shop, nowhere]
- name: broken
  hook: github
- name: reads-broken
  hook: nobody
  project: org/last
  url: https://github.com/org/last.git
  definitions: {branch: main, globs: ['apps/*.yaml']}
  mayRead: [broken]
";
    insta::assert_snapshot!(parse(text).expect_err("many faults"));
}

/// What cannot be told apart is left alone: then the form is told first.
#[test]
fn a_file_of_one_line_is_told_of_its_form() {
    let error = parse("{hooks: [{name: a}], workers: 0}").expect_err("wrong").to_string();
    assert!(error.contains("hook a has no `forge`"), "{error}");
    parse("- a\n- b").expect_err("a list");
}
