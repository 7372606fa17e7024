//! The remote of a repo: its URL and credential, and which texts are valid URLs and ref names.

use std::fmt::Write as _;
use std::net::IpAddr;

use secrecy::SecretString;
use url::{Host, Url};

use super::error::SourceError;
use crate::ids::RepoName;

/// What is sent as HTTP basic authentication, over https alone. Forges take a token as the password.
#[derive(Clone, Debug)]
pub struct Credential {
    pub username: String,
    pub password: SecretString,
}

/// A repo and its place on the forge. The URL is checked by [`Remote::checked`] before each use.
#[derive(Clone, Debug)]
pub struct Remote {
    pub repo: RepoName,
    /// `https://…`; `http://` only to this machine and without a credential.
    pub url: String,
    pub credential: Option<Credential>,
}

/// The longest ref name that we take, in bytes. A longer one would not fit a file name once it is escaped.
const LONGEST_REF: usize = 200;

impl Remote {
    /// The URL, when it is one that may be fetched from with this credential.
    pub fn checked(&self) -> Result<Url, SourceError> {
        check_url(&self.url, self.credential.is_some())
            .map_err(|reason| SourceError::Url { repo: self.repo.clone(), reason })
    }
}

fn check_url(text: &str, with_credential: bool) -> Result<Url, String> {
    // Git's own short form, `git@host:path`, does not parse as a URL.
    let scp_like = text.contains('@') && !text.contains("://");
    if scp_like || text.starts_with("ssh://") || text.starts_with("git+ssh://") {
        return Err("Git over ssh is not supported yet; use its https:// URL and a token".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("it is not a URL ({error})"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not contain a user name or a password; configure a credential instead".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must have no query and no fragment".to_owned());
    }
    match url.scheme() {
        "http" if !is_loopback(&url) => Err("http:// is accepted only for this machine; use https://".to_owned()),
        "http" if with_credential => Err("a credential is never sent over http://; use https://".to_owned()),
        "https" | "http" => Ok(url),
        other => Err(format!("{}:// is not supported; use https://", other.escape_debug())),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

/// Checks a full ref name (`refs/…`) by Git's own rules, and that it is no pattern.
pub(super) fn check_ref(repo: &RepoName, name: &str) -> Result<(), SourceError> {
    let refuse = |reason: String| {
        let name = name.chars().take(60).collect::<String>();
        Err(SourceError::Ref { repo: repo.clone(), name: format!("{name:?}"), reason })
    };
    if name.len() > LONGEST_REF {
        return refuse(format!("it has {} bytes; the limit is {LONGEST_REF}", name.len()));
    }
    if !name.starts_with("refs/") {
        return refuse("use a full name, as in refs/heads/main".to_owned());
    }
    match gix::validate::reference::name(name.into()) {
        Ok(_) => Ok(()),
        Err(error) => refuse(error.to_string()),
    }
}

/// The ref of the mirror that holds a fetched ref: flat, so that a branch `a` that became `a/b` never collides.
pub(super) fn mirror_ref(name: &str) -> String {
    format!("{MIRROR_PREFIX}{}", name.replace('%', "%25").replace('/', "%2F"))
}

/// What [`mirror_ref`] was made from.
pub(super) fn fetched_ref(mirror_ref: &str) -> Option<String> {
    let flat = mirror_ref.strip_prefix(MIRROR_PREFIX)?;
    Some(flat.replace("%2F", "/").replace("%25", "%"))
}

pub(super) const MIRROR_PREFIX: &str = "refs/mirror/";

/// The directory of a repo: its name, with everything escaped that a file system could read in another way.
pub(super) fn directory_name(repo: &RepoName) -> Result<String, SourceError> {
    if repo.as_str().is_empty() || repo.as_str().len() > 80 {
        return Err(SourceError::Name { repo: repo.as_str().chars().take(80).collect() });
    }
    let mut name = String::new();
    for byte in repo.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            // Capitals are escaped too: some file systems take them for small letters.
            other => {
                let _ = write!(name, "%{other:02x}");
            }
        }
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_fetched_from() {
        for good in
            ["https://forge.example/a/b.git", "http://127.0.0.1:3000/a.git", "http://localhost/a", "http://[::1]:1/a"]
        {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "main",
            "http://forge.example/a.git",
            "http://127.0.0.1.forge.example/a",
            "http://0.0.0.0/a",
            "file:///etc",
            "/etc/passwd",
            "ssh://git@forge.example/a.git",
            "git@forge.example:a/b.git",
            "git://forge.example/a",
            "ext::sh -c true",
            "https://user:pass@forge.example/a.git",
            "https://token@forge.example/a.git",
            "https://forge.example/a?x=1",
            "--upload-pack=touch",
        ] {
            assert!(check_url(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_credential_needs_https() {
        assert!(check_url("https://forge.example/a.git", true).is_ok());
        let refused = check_url("http://127.0.0.1/a.git", true).expect_err("http and a credential");
        assert!(refused.contains("never sent over http"), "{refused}");
    }

    #[test]
    fn a_refused_url_is_not_repeated() {
        let remote = Remote {
            repo: RepoName::new("shop"),
            url: "https://u:hunter2@forge.example/a".to_owned(),
            credential: None,
        };
        let text = remote.checked().expect_err("holds a password").to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn ref_names_follow_the_rules_of_git() {
        let repo = RepoName::new("shop");
        for good in ["refs/heads/main", "refs/heads/feature/ä", "refs/pull/7/head", "refs/tags/v1.0", "refs/heads/100%"]
        {
            assert!(check_ref(&repo, good).is_ok(), "{good}");
        }
        let long = format!("refs/heads/{}", "x".repeat(10_000));
        for bad in [
            "",
            "main",
            "HEAD",
            "../x",
            "refs/heads/../../x",
            "--upload-pack=touch",
            "refs/heads/a\0b",
            "refs/heads/*",
            "refs/heads/a b",
            "refs/heads/x.lock",
            "+refs/heads/main",
            "refs/heads/a:refs/heads/b",
            "refs/heads/",
            "refs/heads//a",
            "refs/heads/a\n",
            "^refs/heads/a",
            &long,
        ] {
            assert!(check_ref(&repo, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refs_of_the_mirror_are_flat_and_can_be_read_back() {
        for name in ["refs/heads/a/b", "refs/heads/100%2F", "refs/heads/%"] {
            let flat = mirror_ref(name);
            assert_eq!(flat.matches('/').count(), 2, "{flat}");
            assert_eq!(fetched_ref(&flat).as_deref(), Some(name));
        }
    }

    #[test]
    fn directory_names_hold_no_surprise() {
        let name = |text: &str| directory_name(&RepoName::new(text));
        assert_eq!(name("shop-1").expect("plain"), "shop-1");
        assert_eq!(name("../Shop").expect("escaped"), "%2e%2e%2f%53hop");
        assert!(name("").is_err());
        assert!(name(&"x".repeat(81)).is_err());
    }
}
