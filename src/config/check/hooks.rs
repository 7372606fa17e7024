//! Checks the hooks: whether deliveries can be verified, and whether address and credentials match the forge.

use secrecy::ExposeSecret;
use url::Url;

use super::checker::Checker;
use crate::config::file::{self, SecretRef, Text};
use crate::config::secret;
use crate::config::types::{Credentials, ForgeKind, Hook};
use crate::ids::HookName;
use crate::secret::LiveSecret;
use crate::yaml::Spanned;

impl Checker<'_> {
    pub(super) fn hook(&mut self, hook: file::Hook) -> Option<Hook> {
        let file::Hook { name, forge, url, secrets, credentials } = hook;
        if !name.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) || name.value.is_empty() {
            self.problem(&name, "a hook's name is part of its path: use letters, digits, `-`, `_` and `.`");
        }
        if secrets.is_empty() {
            self.problem(
                &name,
                format!("hook {:?} has no secrets, so anybody could send events. List at least one", name.value),
            );
        }
        let (kind, api) = match forge.value.as_str() {
            "github" => (Some(ForgeKind::GitHub), "https://api.github.com"),
            "gitlab" => (Some(ForgeKind::GitLab), "https://gitlab.com"),
            other => {
                self.problem(&forge, format!("unknown forge {other:?}: use github or gitlab"));
                (None, "https://invalid")
            }
        };
        let url = match &url {
            Some(text) => self.url(text, "url").filter(|url| self.fits(text, url, kind)),
            None => api.parse().ok(),
        };
        let secrets: Vec<_> = secrets.iter().filter_map(|reference| self.hook_secret(reference)).collect();
        if kind == Some(ForgeKind::GitLab) && credentials.as_ref().is_some_and(|given| given.app.is_some()) {
            let message = "credentials.app is for GitHub Apps only. Set credentials.token to a personal, project or \
                           group access token with the scope api";
            self.problem(&name, format!("hook {:?}: {message}", name.value));
        }
        let credentials = match credentials {
            Some(given) => Some(self.credentials(&name, &given)?),
            None => None,
        };
        Some(Hook { name: HookName::new(name.value), forge: kind?, api: url?, secrets, credentials })
    }

    /// Whether the address can be one of the forge: the public ones, and the usual names of one's own, are known.
    fn fits(&mut self, text: &Text, url: &Url, kind: Option<ForgeKind>) -> bool {
        let host = url.host_str().unwrap_or_default();
        let is_of = |name: &str| host.split('.').any(|label| label.eq_ignore_ascii_case(name));
        let (forge, other) = match kind {
            Some(ForgeKind::GitHub) if is_of("gitlab") => ("github", "gitlab"),
            Some(ForgeKind::GitLab) if is_of("github") => ("gitlab", "github"),
            _ => return true,
        };
        self.problem(text, format!("url: {host} looks like {other}, but forge is {forge}. Correct one of them"));
        false
    }

    fn hook_secret(&mut self, reference: &Spanned<SecretRef>) -> Option<LiveSecret> {
        let live = self.secret(reference, "secrets")?;
        let secret = driftless_webhooks::Secret::new(live.get().expose_secret().as_bytes());
        let secret = self.noted(reference, "secrets", secret)?;
        self.noted(reference, "secrets", secret.check())?;
        Some(live)
    }

    fn secret(&mut self, reference: &Spanned<SecretRef>, what: &str) -> Option<LiveSecret> {
        let read = secret::read(&reference.value, self.folder, self.environment);
        self.noted(reference, what, read)
    }

    fn credentials(&mut self, hook: &Text, given: &file::CredentialsRef) -> Option<Credentials> {
        match (&given.token, &given.app) {
            (Some(token), None) => self.secret(token, "credentials.token").map(Credentials::Token),
            (None, Some(app)) => {
                let private_key = self.secret(&app.private_key, "credentials.app.privateKey")?;
                Some(Credentials::App { id: app.id, private_key })
            }
            _ => {
                self.problem(hook, "credentials: set either `token` or `app`");
                None
            }
        }
    }
}
