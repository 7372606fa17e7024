//! Collects errors while the rest is checked.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::Url;

use crate::config::file::Text;
use crate::config::form::Range;
use crate::config::secret::Environment;
use crate::config::types::Problem;
use crate::yaml::Spanned;

pub(super) struct Checker<'a> {
    pub folder: &'a Path,
    pub environment: &'a dyn Environment,
    pub problems: Vec<Problem>,
    /// Names of entries that are there, and have not the form to be looked at.
    pub names: &'a BTreeSet<String>,
}

fn line<T>(at: &Spanned<T>) -> u32 {
    u32::try_from(at.referenced.line()).unwrap_or(0)
}

/// What a text is that is no URL. Git's own short form of an SSH address is the usual one.
fn no_url(text: &str) -> String {
    let scp = text
        .split_once(':')
        .filter(|(host, _)| !host.contains('/'))
        .and_then(|(host, path)| Some((host.split_once('@')?.1, path)));
    match scp {
        Some((host, path)) => {
            format!(
                "this is an SSH address. Driftless clones over https, with the hook's credentials: https://{host}/{}",
                path.trim_start_matches('/')
            )
        }
        None => "this is not a URL; use https://HOST/PATH".to_owned(),
    }
}

impl Checker<'_> {
    pub(super) fn problem<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        self.problems.push(Problem { line: line(at), message: message.into() });
    }

    /// Notes the error, and goes on without the value.
    pub(super) fn noted<T, V, E: Display>(&mut self, at: &Spanned<V>, what: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.problem(at, format!("{what}: {error}"))).ok()
    }

    pub(super) fn within<T>(&mut self, given: Option<&Spanned<T>>, what: &str, default: T, range: Range) -> Option<T>
    where
        T: Copy + TryInto<u64> + Display,
    {
        let Some(number) = given else { return Some(default) };
        if number.value.try_into().is_ok_and(|value| range.contains(value)) {
            return Some(number.value);
        }
        self.problem(
            number,
            format!("{what}: use a number from {} to {}, not {}", range.least, range.most, number.value),
        );
        None
    }

    pub(super) fn url(&mut self, text: &Text, what: &str) -> Option<Url> {
        let Ok(url) = text.value.parse::<Url>() else {
            self.problem(text, format!("{what}: {}", no_url(&text.value)));
            return None;
        };
        if url.password().is_some() || !url.username().is_empty() {
            self.problem(text, format!("{what}: the URL contains a credential; put it under the hook's `credentials`"));
            return None;
        }
        if !matches!(url.scheme(), "https" | "http") {
            let hint =
                if url.scheme() == "ssh" { "; Driftless clones over https, with the hook's credentials" } else { "" };
            self.problem(text, format!("{what}: use https, not {}{hint}", url.scheme()));
            return None;
        }
        Some(url)
    }

    /// Paths in the file count from its folder.
    pub(super) fn path(&self, path: PathBuf) -> PathBuf {
        self.folder.join(path)
    }

    pub(super) fn address(&mut self, text: &Text, what: &str) -> Option<SocketAddr> {
        let parsed = text
            .value
            .parse()
            .map_err(|_| format!("{:?} is not an address with a port, such as 0.0.0.0:8080", text.value));
        self.noted(text, what, parsed)
    }

    pub(super) fn unique<'t>(&mut self, what: &str, names: impl Iterator<Item = &'t Text>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.value.to_lowercase()) {
                self.problem(name, format!("another {what} is already called {:?}; names must be unique", name.value));
            }
        }
    }
}
