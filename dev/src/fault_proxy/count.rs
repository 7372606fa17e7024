//! What was asked of an API server, by method and kind.

use std::collections::BTreeMap;
use std::fmt;

use http::{Method, Uri};

/// Paths that belong to no kind could be any number; the rest is counted as one.
const MOST_ENTRIES: usize = 1_000;

/// One sort of request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// `GET`, `PATCH` and so on; `LIST` and `WATCH` are told from `GET`.
    pub method: String,
    /// Group, version and plural without namespace and name: `apps/v1/deployments`, `v1/configmaps`, and with
    /// a subresource `apps/v1/deployments/scale`. Other paths as they are: `/version`.
    pub kind: String,
    /// Whether it was a dry-run.
    pub dry_run: bool,
}

impl Asked {
    /// The sort of a request.
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let flag = |wanted: &str| query.split('&').any(|pair| pair == wanted);
        let (kind, named) = kind_of(uri.path());
        let method = match (method.as_str(), named) {
            ("GET", _) if flag("watch=true") || flag("watch=1") => "WATCH",
            ("GET", Some(false)) => "LIST",
            (other, _) => other,
        };
        Self { method: method.to_owned(), kind, dry_run: flag("dryRun=All") }
    }
}

/// The kind in a path, and whether the path names one object of it; no answer to that for other paths.
fn kind_of(path: &str) -> (String, Option<bool>) {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (group_version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ((*version).to_owned(), rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (format!("{group}/{version}"), rest),
        _ => return (path.to_owned(), None),
    };
    let rest = match rest {
        // A namespace itself, or its subresource.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => rest,
        ["namespaces", _, within @ ..] => within,
        _ => rest,
    };
    match rest {
        [plural, _, subresource, ..] => (format!("{group_version}/{plural}/{subresource}"), Some(true)),
        [plural, _] => (format!("{group_version}/{plural}"), Some(true)),
        [plural] => (format!("{group_version}/{plural}"), Some(false)),
        [] => (path.to_owned(), None),
    }
}

/// How often each sort of request came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Asked, u64>);

impl Counts {
    pub(super) fn add(&mut self, mut asked: Asked) {
        if self.0.len() >= MOST_ENTRIES && !self.0.contains_key(&asked) {
            "(others)".clone_into(&mut asked.kind);
        }
        *self.0.entry(asked).or_default() += 1;
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Requests with this method and kind, dry-runs included.
    pub fn of(&self, method: &str, kind: &str) -> u64 {
        self.sum(|asked| asked.method == method && asked.kind == kind)
    }

    /// Requests for which `wanted` holds.
    pub fn sum(&self, wanted: impl Fn(&Asked) -> bool) -> u64 {
        self.0.iter().filter(|(asked, _)| wanted(asked)).map(|(_, count)| count).sum()
    }

    /// Requests that change something: not read, and not a dry-run.
    pub fn writes(&self) -> u64 {
        self.sum(|asked| !asked.dry_run && !matches!(asked.method.as_str(), "GET" | "LIST" | "WATCH" | "HEAD"))
    }
}

/// A line per sort, for the message of an assertion.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (asked, count) in &self.0 {
            let dry_run = if asked.dry_run { " (dry-run)" } else { "" };
            writeln!(f, "{count:>6} {} {}{dry_run}", asked.method, asked.kind)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, uri: &str) -> String {
        let asked = Asked::of(method, &uri.parse().expect("a path"));
        format!("{} {}{}", asked.method, asked.kind, if asked.dry_run { " dry" } else { "" })
    }

    #[test]
    fn requests_are_told_apart_by_kind_and_not_by_name() {
        let get = |uri| asked(&Method::GET, uri);
        assert_eq!(get("/api/v1/namespaces/a/configmaps/b"), "GET v1/configmaps");
        assert_eq!(get("/api/v1/configmaps?limit=500"), "LIST v1/configmaps");
        assert_eq!(get("/apis/apps/v1/namespaces/a/deployments"), "LIST apps/v1/deployments");
        assert_eq!(get("/apis/apps/v1/namespaces/a/deployments?watch=true&x=1"), "WATCH apps/v1/deployments");
        assert_eq!(get("/apis/apps/v1/namespaces/a/deployments/b/scale"), "GET apps/v1/deployments/scale");
        assert_eq!(get("/api/v1/namespaces"), "LIST v1/namespaces");
        assert_eq!(get("/api/v1/namespaces/a"), "GET v1/namespaces");
        assert_eq!(get("/api/v1/namespaces/a/status"), "GET v1/namespaces/status");
        assert_eq!(get("/version"), "GET /version");
        assert_eq!(get("/apis"), "GET /apis");
        assert_eq!(get("/apis/apps/v1"), "GET /apis/apps/v1");
        assert_eq!(
            asked(&Method::PATCH, "/api/v1/namespaces/a/secrets/b?dryRun=All&force=true"),
            "PATCH v1/secrets dry"
        );
    }

    #[test]
    fn counting_ends_at_a_bound() {
        let mut counts = Counts::default();
        for n in 0..MOST_ENTRIES + 50 {
            counts.add(Asked::of(&Method::GET, &format!("/unknown/{n}").parse().expect("a path")));
        }
        assert_eq!(counts.total(), 1_050);
        assert_eq!(counts.of("GET", "(others)"), 50);
    }
}
