//! Files of a repository that may define apps: no panic, and what is read of them holds what is promised of an app.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::mutate;
use crate::app::parse_file;
use crate::ids::RepoName;

const GOOD: &[&str] = &[
    "apiVersion: driftless.dev/v1\nkind: App\nmetadata:\n  name: shop\nspec:\n  source: {path: deploy}\n  destination: \
     {cluster: prod, namespace: shop}\n",
    "# words\napiVersion: driftless.dev/v1\nkind: App\nmetadata: {name: shop}\nspec:\n  source:\n    repo: other\n    \
     ref: refs/tags/v1\n    path: charts/shop\n  \
     renderer: helm\n  helm:\n    valuesFiles: [a.yaml, b/c.yaml]\n    values: {a: &a {b: 1}, c: *a}\n    \
     nondeterministic: keep\n  \
     destination:\n    cluster: prod\n    namespace: shop\n  sync: manual\n  drift: report\n  onDelete: prune\n  \
     adopt: true\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: driftless.dev/v1\nkind: App\nmetadata: \
     {name: b}\n",
];

pub(super) fn case(random: &mut StdRng) {
    let mut text = GOOD.choose(random).expect("files").to_string();
    if random.random_bool(0.3) {
        text = format!("{text}---\n{}", GOOD.choose(random).expect("files"));
    }
    for _ in 0..random.random_range(0..3) {
        text = mutate::lossy(random, &text);
    }
    let parsed = parse_file(&RepoName::new("shop"), "refs/heads/main", "apps/shop.yaml", &text);
    let lines = u32::try_from(text.lines().count()).expect("few") + 1;
    for app in &parsed.apps {
        let name = &app.id.name;
        assert!(!name.is_empty() && name.len() <= 53, "{name:?}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name:?}");
        let path = &app.source.path;
        assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path:?}");
        assert!(!app.destination.namespace.contains(['/', '\n', ' ']), "{:?}", app.destination.namespace);
    }
    for error in &parsed.errors {
        assert!(error.line <= lines, "line {} of {lines}: {}", error.line, error.message);
        assert!(!error.message.is_empty());
    }
}
