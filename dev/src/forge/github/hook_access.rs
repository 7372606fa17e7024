//! Who may see the hooks of a repository.

use crate::forge::caller::Caller;
use crate::forge::settings::Settings;

/// `repo_hook` scopes for tokens, a permission for Apps; a newer token's are not modelled and allow it.
pub(super) fn may_see_hooks(settings: &Settings, caller: &Caller) -> bool {
    match caller {
        Caller::Login(login) if login.ends_with("[bot]") => settings.permissions.contains_key("repository_hooks"),
        Caller::Login(_) => {
            settings.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope.ends_with(":repo_hook")))
        }
        Caller::App => false,
    }
}
