//! Secrets that may be rotated while the server runs: a secret in a file is read again when the file changes.
//!
//! A Kubernetes Secret that is mounted as a folder is replaced in place, and so is a token that another program renews.
//! The file's metadata is checked at each use, which is cheap compared to a request; its content is read only if the
//! file was replaced or modified.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

/// A secret as it is now. Clones share it.
#[derive(Clone)]
pub struct LiveSecret(Arc<Inner>);

struct Inner {
    /// None: it can't change.
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

struct Known {
    secret: SecretString,
    /// Counts the contents that were read.
    version: u64,
    seen: Option<Stamp>,
}

/// What changes with a file's content. The time of the last change of its inode can't be set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata: Metadata| Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl LiveSecret {
    /// One that stays as it is.
    pub fn fixed(secret: impl Into<SecretString>) -> Self {
        Self::new(None, secret.into(), None)
    }

    /// The content of a file, now and whenever it changes. Errors name the file, never the content.
    pub fn in_file(path: &Path) -> Result<Self, String> {
        // Before it is read: what is written in between is found by the next look.
        let seen = Stamp::of(path);
        let secret = read(path)?;
        Ok(Self::new(Some(path.to_owned()), secret, seen))
    }

    fn new(file: Option<PathBuf>, secret: SecretString, seen: Option<Stamp>) -> Self {
        Self(Arc::new(Inner { file, known: Mutex::new(Known { secret, version: 0, seen }) }))
    }

    pub fn get(&self) -> SecretString {
        self.versioned().0
    }

    /// The secret, and a number that differs when the secret may.
    pub fn versioned(&self) -> (SecretString, u64) {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.0.file {
            known.look(path);
        }
        (known.secret.clone(), known.version)
    }
}

impl Known {
    /// A file that is gone, unreadable or empty leaves what was read before: it may be about to be written.
    fn look(&mut self, path: &Path) {
        let now = Stamp::of(path);
        if now == self.seen {
            return;
        }
        self.seen = now;
        match read(path) {
            Ok(secret) => {
                self.secret = secret;
                self.version += 1;
                tracing::info!(file = %path.display(), "a secret's file has changed; it was read again");
            }
            Err(error) => tracing::warn!(
                error,
                "a secret's file has changed and cannot be used; the previous secret stays in use"
            ),
        }
    }
}

impl fmt::Debug for LiveSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.file {
            Some(file) => write!(f, "LiveSecret(in {})", file.display()),
            None => f.write_str("LiveSecret(…)"),
        }
    }
}

fn read(path: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the secret file {} cannot be read: {error}", path.display()))?;
    trimmed(text).map_err(|error| format!("{}: {error}", path.display()))
}

/// A line end after a secret, as editors leave it, is not part of it.
pub fn trimmed(text: impl Into<SecretString>) -> Result<SecretString, &'static str> {
    let text = text.into();
    match text.expose_secret().trim_end_matches(['\r', '\n']) {
        "" => Err("the secret is empty, so anybody could send events. Set one"),
        text => Ok(SecretString::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(secret: &LiveSecret) -> String {
        secret.get().expose_secret().to_owned()
    }

    #[test]
    fn a_file_that_is_replaced_or_written_to_is_read_again() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("token");
        std::fs::write(&file, "one\n")?;
        let secret = LiveSecret::in_file(&file).expect("read");
        assert_eq!((text(&secret), secret.versioned().1), ("one".into(), 0));
        std::fs::write(&file, "longer\n")?;
        assert_eq!((text(&secret), secret.versioned().1), ("longer".into(), 1));

        let other = folder.path().join("other");
        std::fs::write(&other, "length")?;
        std::fs::rename(&other, &file)?;
        assert_eq!(text(&secret), "length");
        assert_eq!(secret.versioned().1, 2, "and only then");
        Ok(())
    }

    #[test]
    fn a_mounted_secret_changes_by_a_link_two_steps_away() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        for (name, content) in [("..1", "one"), ("..2", "two")] {
            std::fs::create_dir(at(name))?;
            std::fs::write(at(name).join("token"), content)?;
        }
        std::os::unix::fs::symlink("..1", at("..data"))?;
        std::os::unix::fs::symlink("..data/token", at("token"))?;
        let secret = LiveSecret::in_file(&at("token")).expect("read");
        std::os::unix::fs::symlink("..2", at("..new"))?;
        std::fs::rename(at("..new"), at("..data"))?;
        assert_eq!(text(&secret), "two");
        Ok(())
    }

    #[test]
    fn a_file_that_says_nothing_leaves_what_was_known() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("token");
        assert!(LiveSecret::in_file(&file).expect_err("no file").contains("cannot be read"));
        std::fs::write(&file, "\n")?;
        assert!(LiveSecret::in_file(&file).expect_err("nothing").contains("empty"));
        std::fs::write(&file, "one")?;
        let secret = LiveSecret::in_file(&file).expect("read");
        std::fs::write(&file, "")?;
        assert_eq!(text(&secret), "one");
        std::fs::remove_file(&file)?;
        assert_eq!(text(&secret), "one");
        std::fs::write(&file, "two")?;
        assert_eq!(text(&secret), "two");
        assert!(!format!("{secret:?}").contains("two"));
        Ok(())
    }
}
