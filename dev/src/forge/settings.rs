//! How the hook is set and what callers were granted, as people set it on GitHub's pages. Only shown: deliveries are
//! sent all the same.

use std::collections::BTreeMap;

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
}

impl Default for Settings {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let permissions = [
            ("contents", "read"),
            ("metadata", "read"),
            ("pull_requests", "write"),
            ("repository_hooks", "read"),
            ("statuses", "write"),
        ];
        Self {
            active: true,
            content_type: "json".to_owned(),
            verifies_tls: true,
            events: texts(&["push", "pull_request", "merge_group"]),
            is_app_s: false,
            scopes: Some(texts(&["repo", "read:repo_hook"])),
            may_push: true,
            permissions: permissions.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect(),
        }
    }
}

impl Settings {
    /// `repo_hook` scopes for tokens, a permission for Apps; a newer token's are not modelled and allow it.
    pub(super) fn show_hooks(&self, is_app: bool) -> bool {
        if is_app {
            return self.permissions.contains_key("repository_hooks");
        }
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope.ends_with(":repo_hook")))
    }
}
