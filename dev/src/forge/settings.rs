//! How the hook is set and what callers were granted, as people set it on the forge's pages. Only shown: deliveries are
//! sent all the same.

use std::collections::BTreeMap;

use super::dialect::Dialect;

/// Everything is as it should be, until a test says otherwise.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "as many boxes as there are to tick")]
pub struct Settings {
    pub active: bool,
    pub content_type: String,
    pub verifies_tls: bool,
    pub events: Vec<String>,
    /// The hook is the App's and not the repositories'.
    pub is_app_s: bool,
    /// Of the token. None: it is of the newer kind, which has none.
    pub scopes: Option<Vec<String>>,
    pub may_push: bool,
    /// Of the App's installation.
    pub permissions: BTreeMap<String, String>,
    /// Of the token's owner, at GitLab: 20 for a reporter, 30 for a developer, 40 for a maintainer.
    pub access_level: u64,
    /// The levels of others by their logins, as GitLab counts them: 10, 20, 30, 40.
    pub members: BTreeMap<String, u64>,
    /// Whether the merge button makes no merge commit.
    pub fast_forward: bool,
}

/// GitLab's level of who may see the hooks.
pub(super) const MAINTAINER: u64 = 40;

impl Settings {
    pub(super) fn of(dialect: Dialect) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let permissions = [
            ("contents", "read"),
            ("metadata", "read"),
            ("pull_requests", "write"),
            ("repository_hooks", "read"),
            ("statuses", "write"),
        ];
        let (events, scopes): (&[&str], &[&str]) = match dialect {
            Dialect::GitHub => (&["push", "pull_request", "merge_group", "issue_comment"], &["repo", "read:repo_hook"]),
            Dialect::GitLab => (&["push_events", "merge_requests_events", "note_events"], &["api"]),
        };
        Self {
            active: true,
            content_type: "json".to_owned(),
            verifies_tls: true,
            events: texts(events),
            is_app_s: false,
            scopes: Some(texts(scopes)),
            may_push: true,
            permissions: permissions.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect(),
            access_level: MAINTAINER,
            members: BTreeMap::new(),
            fast_forward: false,
        }
    }
}
