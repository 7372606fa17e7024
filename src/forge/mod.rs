//! The interface to forges, and its implementations.

mod flavour;
mod github;
mod gitlab;
mod kind;
mod rest;
mod settings;
mod types;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::ids::Oid;

pub use flavour::{CommentLimits, Flavour, HookTerms, WritePace};
pub use github::{GITHUB, GitHub, GitHubConfig, GitHubCredentials};
pub use gitlab::{GITLAB, GitLab, GitLabConfig};
pub use kind::{build, flavour, webhooks};
pub use rest::SetupError;
pub use settings::{Grants, HookAnswer, HookContent, HookSettings};
pub use types::{
    Author, BranchHead, Comment, CommentId, ForgeError, Identity, Listing, NewStatus, PullRequest, PullState, Reaction,
    Role, SentDelivery, StatusState, WrittenComment,
};

/// A user name and password for Git over HTTPS.
#[derive(Debug, Clone)]
pub struct GitCredential {
    pub username: String,
    pub password: SecretString,
}

/// One forge, as one identity. A `project` is what the forge calls it, such as `owner/name`.
///
/// No call retries, waits for a limit or sleeps: that is the caller's, who knows what else there is to do.
#[async_trait]
pub trait Forge: Send + Sync {
    /// The forge's name for messages, and what its limits are counted by: one host and one identity.
    fn name(&self) -> &str;

    /// What else differs between forges.
    fn flavour(&self) -> &'static Flavour;

    /// The branch that a group of this forge's merge queue goes into, by the group's ref. None of what is no group, and
    /// of a forge that has no merge queue.
    fn merge_group_base(&self, _ref_name: &str) -> Option<String> {
        None
    }

    async fn pull_request(&self, project: &str, number: u64) -> Result<PullRequest, ForgeError>;

    /// All open pull requests. Where the forge can tell, asking again costs it nothing while nothing changes.
    async fn open_pull_requests(&self, project: &str) -> Result<Listing<PullRequest>, ForgeError>;

    /// The pull requests that were closed or merged last, in no order; a few dozen of them.
    async fn recently_closed(&self, project: &str) -> Result<Vec<PullRequest>, ForgeError>;

    /// Sets the status of a commit where it gates the pull requests `pulls`, whose head the commit is. There are none
    /// for the commit of a merge group.
    async fn set_status(&self, project: &str, pulls: &[u64], status: &NewStatus) -> Result<(), ForgeError>;

    /// The status that counts for this context, whoever set it. None if it is missing for one of `pulls`.
    async fn latest_status(
        &self,
        project: &str,
        pulls: &[u64],
        sha: &Oid,
        context: &str,
    ) -> Result<Option<NewStatus>, ForgeError>;

    /// The comments of a pull request that begin with `marker` and are by us, oldest first. Anybody can write a marker.
    async fn own_comments(&self, project: &str, number: u64, marker: &str) -> Result<Vec<Comment>, ForgeError>;

    async fn create_comment(&self, project: &str, number: u64, body: &str) -> Result<CommentId, ForgeError>;

    async fn update_comment(&self, project: &str, id: &CommentId, body: &str) -> Result<(), ForgeError>;

    /// Succeeds when the comment is gone already.
    async fn delete_comment(&self, project: &str, id: &CommentId) -> Result<(), ForgeError>;

    /// A comment on a pull request, by the id that its webhook has.
    async fn comment(&self, project: &str, number: u64, id: u64) -> Result<WrittenComment, ForgeError>;

    /// Reacts to a comment. Succeeds when the reaction is there already.
    async fn react(&self, project: &str, number: u64, comment: u64, reaction: Reaction) -> Result<(), ForgeError>;

    /// What a user may do with the project now. An error is no answer: whoever asks must refuse.
    async fn role(&self, project: &str, user: &Author) -> Result<Role, ForgeError>;

    /// The author that the forge shows on what we write.
    async fn whoami(&self) -> Result<Identity, ForgeError>;

    /// The webhooks that tell of this project, as far as our credential may see them. Only for who checks an
    /// installation.
    async fn hooks(&self, project: &str) -> Result<Vec<HookSettings>, ForgeError>;

    /// What the forge has lately sent to the webhooks of this project whose addresses end with `path`, the newest
    /// first; a few hundred. None of a forge that does not tell.
    async fn sent_deliveries(&self, _project: &str, _path: &str) -> Result<Vec<SentDelivery>, ForgeError> {
        Ok(Vec::new())
    }

    /// Has the forge send a delivery again.
    async fn send_again(&self, _project: &str, delivery: &SentDelivery) -> Result<(), ForgeError> {
        let what = format!("way to send delivery {} again", delivery.guid);
        Err(ForgeError::NotFound { forge: self.name().to_owned(), what })
    }

    /// What our credential may do with this project. Only for who checks an installation.
    async fn grants(&self, project: &str) -> Result<Grants, ForgeError>;

    /// What Git needs to read this project; `None` if nothing is configured.
    async fn git_credential(&self, project: &str) -> Result<Option<GitCredential>, ForgeError>;
}
