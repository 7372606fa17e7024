//! What a definition file may say, and what is wrong with it.

use super::*;

fn parse(text: &str) -> Parsed {
    parse_file(&RepoName::new("shop"), "refs/heads/main", "apps/shop.yaml", text)
}

const MINIMAL: &str = "\
apiVersion: driftless.dev/v1
kind: App
metadata:
  name: shop-eu
spec:
  source: {path: ./deploy/eu/}
  destination: {cluster: prod, namespace: shop-eu}
";

#[test]
fn a_minimal_definition_has_the_documented_defaults() {
    let parsed = parse(MINIMAL);
    assert_eq!(parsed.errors, []);
    insta::assert_json_snapshot!(parsed.apps);
}

#[test]
fn other_documents_in_the_file_are_left_alone() {
    let parsed = parse(&format!("kind: ConfigMap\napiVersion: v1\n---\n{MINIMAL}"));
    assert_eq!((parsed.apps.len(), parsed.errors.len()), (1, 0));
    assert_eq!(parsed.apps[0].origin.line, 7);
}

/// L13: a file of very many documents costs no time and is refused as a whole, as some of its apps would be
/// missing.
#[test]
fn a_file_has_an_end() {
    let most = vec!["a: b\n"; MOST_DOCUMENTS].join("---\n");
    assert!(parse(&most).errors.is_empty());
    let many = vec!["a: b\n"; 100_000].join("---\n");
    let started = std::time::Instant::now();
    let parsed = parse(&format!("{MINIMAL}---\n{many}"));
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "it took {:?}", started.elapsed());
    assert!(parsed.apps.is_empty());
    insta::assert_snapshot!(parsed.errors[0],
        @"apps/shop.yaml:4007: the file has 100001 documents; the limit is 2000. Split it into several files");
}

/// X6: values that nobody could read back from the store are this definition's error. The parser gives up before
/// the store would.
#[test]
fn values_have_a_depth() {
    let with = |depth: usize| {
        let values = format!("{}1{}", "{a: ".repeat(depth), "}".repeat(depth));
        parse(&MINIMAL.replace("spec:", &format!("spec:\n  helm: {{values: {values}}}")))
    };
    let deepest = with(60);
    assert_eq!(deepest.errors, []);
    let text = serde_json::to_string(&deepest.apps[0]).expect("JSON");
    // The deepest place where it is stored.
    let stored = format!(r#"{{"format":1,"data":{{"apps":[{{"base":{{"app":{text}}}}}]}}}}"#);
    assert!(serde_json::from_str::<serde_json::Value>(&stored).is_ok());
    for depth in [70, 150, 1000] {
        let parsed = with(depth);
        assert!(parsed.apps.is_empty() && parsed.errors.len() == 1, "{depth}");
    }
}

/// X6+ and X11+: values that are no map would be no values of any chart, and cost three workers; what they are is
/// told, and not what they hold.
#[test]
fn values_are_a_map() {
    for (values, found) in [
        ("|\n      password: hunter2", "a string"),
        ("hunter2", "a string"),
        ("[hunter2]", "a list"),
        ("4711", "a number"),
    ] {
        let parsed = parse(&MINIMAL.replace("spec:", &format!("spec:\n  helm:\n    values: {values}")));
        let error = parsed.errors.first().map(ToString::to_string).unwrap_or_default();
        assert!(
            error.starts_with(&format!("apps/shop.yaml:7: spec.helm.values should be a map, but is {found};")),
            "{error}"
        );
        assert!(!error.contains("hunter2") && !error.contains("4711"), "{error}");
    }
    assert_eq!(parse(&MINIMAL.replace("spec:", "spec:\n  helm: {values: }")).errors, []);
}

#[test]
fn every_wrong_document_is_named_with_its_line() {
    let cases = [
        MINIMAL.replace("name: shop-eu", "name: Shop_EU"),
        MINIMAL.replace("name: shop-eu", &format!("name: {}", "a".repeat(54))),
        MINIMAL.replace("./deploy/eu/", "../secrets"),
        MINIMAL.replace("./deploy/eu/", "/etc"),
        MINIMAL.replace("namespace: shop-eu", "namespace: ''"),
        MINIMAL.replace("spec:", "spec:\n  synk: auto"),
        MINIMAL.replace("spec:", "spec:\n  sync: sometimes"),
        MINIMAL.replace("driftless.dev/v1", "driftless.dev/v9"),
        "a: [1".to_owned(),
    ];
    let text = cases.join("---\n");
    let parsed = parse(&text);
    assert!(parsed.apps.is_empty());
    let messages: Vec<_> = parsed.errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(messages.join("\n"));
}

/// Every mistake of one definition is told at once, with its line, its key and what is allowed; a value only where one
/// of a few words is expected, and where it is a word.
#[test]
fn every_mistake_of_one_definition_is_told_at_once() {
    let text = "\
apiVersion: driftless.dev/v1
kind: App
metadata: {name: Shop}
spec:
  source: {repository: shop, path: /etc}
  destination: {cluster: prod}
  sync: sometimes
  onDelete: hunter2
  adopt: yes please
  drift: [heal]
  helm: {valuesFiles: values.yaml, allowLookup: sure, values: {password: hunter2}}
  kustomise: {}
  ignoreDifferences:
    - {kind: Deployment, jsonPointer: /spec/replicas}
";
    let parsed = parse(text);
    assert!(parsed.apps.is_empty());
    assert!(parsed.errors.iter().all(|error| error.app.as_deref() == Some("Shop")));
    let messages: Vec<_> = parsed.errors.iter().map(ToString::to_string).collect();
    assert!(!messages.join("").contains("hunter2"));
    insta::assert_snapshot!(messages.join("\n"));
    // What no type refuses, together as well.
    let parsed = parse(&MINIMAL.replace("name: shop-eu", "name: Shop").replace("./deploy/eu/", "../x"));
    assert_eq!(parsed.errors.len(), 2, "{:?}", parsed.errors);
}

/// Where the parser accepts a definition nothing is called a mistake, and what it refuses has one.
#[test]
fn mistakes_are_what_the_types_refuse() {
    let with = |line: &str| parse(&MINIMAL.replace("spec:", &format!("spec:\n  {line}")));
    for right in [
        "renderer: helm",
        "kustomize: {loadRestriction: none}",
        "helm: {valuesFiles: [a.yaml], values: {a: 1}, allowLookup: true, nondeterministic: keep}",
        "sync: never",
        "drift: ignore",
        "onDelete: prune",
        "adopt: true",
        "ignoreDifferences: [{group: apps, kind: Deployment, name: a, namespace: b, jsonPointers: [/spec/replicas]}]",
    ] {
        assert_eq!(with(right).errors, [], "{right}");
        let document = yaml::documents(right)[0];
        let node: Spanned<yaml::Node> = yaml::parse(document).expect("YAML");
        let yaml::Node::Map(pairs) = node.value else { panic!("a map") };
        for (key, _) in pairs {
            let wrong = with(&format!("{key}: 3.5"));
            assert_eq!(wrong.errors.len(), 1, "{key}: {:?}", wrong.errors);
            assert!(wrong.errors[0].message.starts_with(&format!("spec.{key} ")), "{:?}", wrong.errors);
        }
    }
}

/// The keys that are told are those that the types take.
#[test]
fn the_keys_of_the_types_are_told() {
    for map in [
        "metadata: {name: a}\nspec: {ZZZ: 1}",
        "metadata: {ZZZ: 1}\nspec: {}",
        "metadata: {name: a}\nspec: {source: {ZZZ: 1}}",
        "metadata: {name: a}\nspec: {kustomize: {ZZZ: 1}}",
        "metadata: {name: a}\nspec: {helm: {ZZZ: 1}}",
        "metadata: {name: a}\nspec: {destination: {ZZZ: 1}}",
        "metadata: {name: a}\nspec: {ignoreDifferences: [{ZZZ: 1}]}",
    ] {
        let text = format!("apiVersion: driftless.dev/v1\nkind: App\n{map}\n");
        let of_types = yaml::parse::<File>(yaml::documents(&text)[0]).expect_err("a key that there is none of").message;
        let (_, of_types) = of_types.split_once("expected ").expect("what is expected");
        let of_types = of_types.trim_start_matches("one of ").replace(" or ", ", ").replace('`', "");
        let told = parse(&text).errors.into_iter().map(|error| error.message);
        let told: Vec<String> = told
            .filter_map(|message| Some(message.split_once("has no key `ZZZ`: it may have ")?.1.replace('`', "")))
            .collect();
        let keys = |listed: &str| listed.split(", ").map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(told.iter().map(|told| keys(told)).collect::<Vec<_>>(), [keys(&of_types)], "{map}");
    }
}
