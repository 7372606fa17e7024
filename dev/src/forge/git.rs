//! The embedded forge's Git, by the command line tool. The only place of it that starts processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use driftless_webhooks::Oid;
use tokio::process::Command;

/// Branches by their short names.
pub(super) type Branches = BTreeMap<String, Oid>;

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("git could not be started ({0}): install git")]
    Start(#[from] std::io::Error),
    #[error("git {command} failed: {message}")]
    Failed { command: String, message: String },
    #[error("git {command} returned unexpected output")]
    Answer { command: String },
    #[error("{head} conflicts with {base}")]
    Conflict { head: String, base: String },
}

/// Runs `git` in a bare repository, as nobody in particular and without anybody's configuration.
async fn git(dir: &Path, args: &[&str]) -> Result<(bool, String, String), GitError> {
    let mut command = Command::new("git");
    command.arg("--git-dir").arg(dir).args(args);
    command.env_remove("GIT_DIR").env_remove("GIT_INDEX_FILE").env_remove("GIT_WORK_TREE");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Embedded forge").env(format!("GIT_{who}_EMAIL"), "forge@localhost");
    }
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

async fn must(dir: &Path, args: &[&str]) -> Result<String, GitError> {
    let command = || args.first().copied().unwrap_or_default().to_owned();
    match git(dir, args).await? {
        (true, out, _) => Ok(out),
        (false, _, message) => Err(GitError::Failed { command: command(), message }),
    }
}

fn oid(command: &str, text: &str) -> Result<Oid, GitError> {
    text.parse().map_err(|_| GitError::Answer { command: command.to_owned() })
}

pub(super) async fn init(dir: &Path) -> Result<(), GitError> {
    tokio::fs::create_dir_all(dir).await?;
    must(dir, &["init", "--quiet", "--bare", "--initial-branch=main"]).await.map(drop)
}

pub(super) async fn branches(dir: &Path) -> Result<Branches, GitError> {
    let text = must(dir, &["for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/"]).await?;
    text.lines()
        .map(|line| {
            let (id, name) = line.split_once(' ').ok_or_else(|| GitError::Answer { command: "for-each-ref".into() })?;
            Ok((name.to_owned(), oid("for-each-ref", id)?))
        })
        .collect()
}

pub(super) async fn update_ref(dir: &Path, name: &str, to: &Oid) -> Result<(), GitError> {
    must(dir, &["update-ref", name, to.as_str()]).await.map(drop)
}

pub(super) async fn has_commit(dir: &Path, commit: &Oid) -> Result<bool, GitError> {
    Ok(git(dir, &["cat-file", "-e", &format!("{commit}^{{commit}}")]).await?.0)
}

/// The branches that have a commit, by name.
pub(super) async fn branches_with(dir: &Path, commit: &Oid) -> Result<Vec<String>, GitError> {
    let with = format!("--contains={commit}");
    let text = must(dir, &["for-each-ref", "--format=%(refname:lstrip=2)", &with, "refs/heads/"]).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// A merge commit of two commits, without a working tree.
pub(super) async fn merge(dir: &Path, base: &Oid, head: &Oid, message: &str) -> Result<Oid, GitError> {
    let (clean, tree, _) =
        git(dir, &["merge-tree", "--write-tree", "--no-messages", base.as_str(), head.as_str()]).await?;
    if !clean {
        return Err(GitError::Conflict { head: head.short().to_owned(), base: base.short().to_owned() });
    }
    let tree = oid("merge-tree", &tree)?;
    let commit =
        must(dir, &["commit-tree", tree.as_str(), "-p", base.as_str(), "-p", head.as_str(), "-m", message]).await?;
    oid("commit-tree", &commit)
}

/// A merge's tree as one commit on its base.
pub(super) async fn squash(dir: &Path, merge: &Oid, base: &Oid, message: &str) -> Result<Oid, GitError> {
    let commit = must(dir, &["commit-tree", &format!("{merge}^{{tree}}"), "-p", base.as_str(), "-m", message]).await?;
    oid("commit-tree", &commit)
}

/// Moves a branch if it still is where it was.
pub(super) async fn move_branch(dir: &Path, branch: &str, from: &Oid, to: &Oid) -> Result<(), GitError> {
    must(dir, &["update-ref", &format!("refs/heads/{branch}"), to.as_str(), from.as_str()]).await.map(drop)
}

/// The changes of a pull request, for its page.
pub(super) async fn diff(dir: &Path, base: &Oid, head: &Oid) -> Result<String, GitError> {
    must(dir, &["diff", "--no-color", "--no-ext-diff", &format!("{base}...{head}")]).await
}

/// The files of a branch that a person can edit, by their path: what is text, is not large, and has an ordinary name.
pub(super) async fn texts(dir: &Path, branch: &str) -> Result<Vec<(String, String)>, GitError> {
    let tree = format!("refs/heads/{branch}^{{commit}}");
    let mut files = Vec::new();
    for entry in must(dir, &["ls-tree", "-r", "-z", "--long", &tree]).await?.split('\0') {
        let Some((about, path)) = entry.split_once('\t') else { continue };
        let about: Vec<&str> = about.split_whitespace().collect();
        let [mode, "blob", blob, size] = about[..] else { continue };
        let ordinary =
            !path.starts_with('"') && !path.contains(char::is_control) && !path.contains(char::REPLACEMENT_CHARACTER);
        if files.len() == EDITABLE
            || !ordinary
            || !mode.starts_with("100644")
            || size.parse().is_ok_and(|size: u64| size > EDITABLE_BYTES)
        {
            continue;
        }
        let text = contents(dir, blob).await?;
        files.extend(text.map(|text| (path.to_owned(), text)));
    }
    Ok(files)
}

/// More files, and longer ones, are not for a page.
const EDITABLE: usize = 100;
const EDITABLE_BYTES: u64 = 100_000;

/// A blob as it is, if it is text.
async fn contents(dir: &Path, blob: &str) -> Result<Option<String>, GitError> {
    let mut command = Command::new("git");
    command.arg("--git-dir").arg(dir).args(["cat-file", "blob", blob]);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    Ok(String::from_utf8(output.stdout).ok().filter(|text| !text.contains('\0')))
}

/// Makes a commit on a branch without a working tree; `from` is where a new branch begins.
pub(super) async fn commit(dir: &Path, commit: &NewCommit<'_>, now: i64) -> Result<(), GitError> {
    use tokio::io::AsyncWriteExt;
    let mut command = Command::new("git");
    command.arg("--git-dir").arg(dir).args(["fast-import", "--quiet", "--force"]);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&commit.stream(now)).await?;
    }
    let output = child.wait_with_output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(GitError::Failed {
        command: "fast-import".into(),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// A commit on a branch. Content is a file's, or None for one that is taken away.
#[derive(Debug, Clone, Copy)]
pub struct NewCommit<'a> {
    pub branch: &'a str,
    /// The branch that a new one begins at; none for the first commit of all, and for one more commit on its branch.
    pub from: Option<&'a str>,
    /// Whether the branch is there already.
    pub continues: bool,
    pub message: &'a str,
    pub author: &'a str,
    pub files: &'a [(&'a str, Option<&'a str>)],
}

impl NewCommit<'_> {
    /// The form that `git fast-import` reads.
    fn stream(&self, now: i64) -> Vec<u8> {
        let mut text = format!("commit refs/heads/{}\n", self.branch);
        text += &format!(
            "committer {} <{}@localhost> {now} +0000\n",
            self.author,
            self.author.to_lowercase().replace(' ', ".")
        );
        text += &format!("data {}\n{}\n", self.message.len(), self.message);
        match (self.continues, self.from) {
            (true, _) => text += &format!("from refs/heads/{}^0\n", self.branch),
            (false, Some(from)) => text += &format!("from refs/heads/{from}^0\n"),
            (false, None) => {}
        }
        for (path, content) in self.files {
            match content {
                Some(content) => text += &format!("M 100644 inline {path}\ndata {}\n{content}\n", content.len()),
                None => text += &format!("D {path}\n"),
            }
        }
        text.into_bytes()
    }
}
