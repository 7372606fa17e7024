use super::*;
use crate::ids::{AppId, ClusterName, RepoName};
use crate::report::preview::LaterEnd;
use crate::report::sample::waiting;

fn names(objects: &[&str]) -> Vec<String> {
    objects.iter().map(|object| (*object).to_owned()).collect()
}

/// F4: what was replaced before the app was healthy is told as that, with what has replaced it.
#[test]
fn what_was_replaced_names_what_has_replaced_it() {
    let by: crate::ids::Oid = "b5".repeat(20).parse().expect("an id");
    let end = |name: &str, healthy| AppOutcome {
        app: AppId::new(&RepoName::new("shop"), name),
        cluster: ClusterName::new("dev"),
        end: AppEnd::Replaced { by: by.clone(), healthy },
        later: Vec::new(),
    };
    let said = |apps| text(&Outcome { apps, ..crate::report::sample::merged("").outcome.expect("an outcome") });
    let merged = "**Merged as `c3c3c3c3c3`**";
    assert_eq!(
        said(vec![end("web", false)]),
        format!("{merged}: applied for `web` on `dev`, and **replaced** by `b5b5b5b5b5` before the app was healthy.")
    );
    assert_eq!(
        said(vec![end("web", false), end("api", false), end("db", true)]),
        format!(
            "{merged}: applied for `web` on `dev`, `api` on `dev`, and **replaced** by `b5b5b5b5b5` before the \
             apps were healthy; applied for `db` on `dev`, and **replaced** by `b5b5b5b5b5` before the deletions were \
             done."
        )
    );
}

/// T18, H2: what is told of deletions that were held, confirmed, done or put off.
#[test]
fn what_becomes_of_deletions() {
    let space = || names(&["Namespace shop"]);
    let removed = |objects, replaced, lost: Option<&str>, confirmed| AppEnd::Removed {
        objects,
        replaced,
        lost: lost.map(str::to_owned),
        confirmed,
        by: confirmed.then(|| "uid 1000 (ada)".into()),
        all: true,
    };
    let lost = "deleting Namespace shop also deleted 1 object that Git still has: ConfigMap shop/a. Remove it from Git";
    let healthy = |held, kept| AppEnd::Healthy { after_seconds: 3, removed: 0, held, kept };
    let ends = [
        waiting(2, &["Namespace shop", "ConfigMap shop/a"]),
        AppEnd::Confirmed { objects: space(), by: Some("uid 1000 (ada)".into()) },
        removed(space(), false, None, true),
        removed(names(&["Job shop/a"]), true, None, true),
        removed(space(), false, Some(lost), true),
        healthy(space(), Vec::new()),
        healthy(names(&["Namespace shop", "Namespace two"]), names(&["ConfigMap shop/x"])),
    ];
    let merged_as: crate::ids::Oid = "c3".repeat(20).parse().expect("an id");
    let said = ends.map(|end| {
        let later = vec![LaterEnd { at: jiff::Timestamp::UNIX_EPOCH, revision: merged_as.clone(), end: end.clone() }];
        let app = AppOutcome {
            app: AppId::new(&RepoName::new("shop"), "web"),
            cluster: ClusterName::new("prod"),
            end,
            later,
        };
        let outcome = crate::report::sample::merged("").outcome.expect("an outcome");
        let outcome = Outcome { merged_as: merged_as.clone(), apps: vec![app], ..outcome };
        let mut document = Document::new(&crate::forge::GITHUB);
        document.must(Block::Lines(text(&outcome)));
        failures(&outcome, &mut document);
        document.parts(1, None).join("\n")
    });
    insta::assert_snapshot!(said.join("\n\n----\n\n"));
}

/// T18+: who had no objects keeps none.
#[test]
fn what_was_removed_and_had_nothing() {
    let end = |name: &str, nothing| AppOutcome {
        app: AppId::new(&RepoName::new("shop"), name),
        cluster: ClusterName::new("dev"),
        end: AppEnd::Kept { nothing, moves: Vec::new(), stay: !nothing },
        later: Vec::new(),
    };
    let said = |apps| text(&Outcome { apps, ..crate::report::sample::merged("").outcome.expect("an outcome") });
    assert_eq!(
        said(vec![end("web", true), end("api", false)]),
        "**Merged as `c3c3c3c3c3`**: definition removed, objects kept: `api` on `dev`; definition removed, no objects existed: `web` on `dev`."
    );
    // As an earlier version has written it.
    let read: AppEnd = serde_json::from_str(r#"{"end": "kept"}"#).expect("read");
    assert_eq!(read, AppEnd::Kept { nothing: false, moves: Vec::new(), stay: false });
}
