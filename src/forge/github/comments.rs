//! Comments of others, reactions to them, and what their authors may do.

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::path::{login_path, repo_path};
use super::wire::User;
use crate::forge::{Author, ForgeError, Reaction, Role, WrittenComment};

#[derive(Deserialize)]
struct Written {
    body: Option<String>,
    user: Option<User>,
    issue_url: String,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct Granted {
    permission: String,
    #[serde(default)]
    role_name: String,
    user: Option<User>,
}

pub(super) async fn read(client: &Client, project: &str, number: u64, id: u64) -> Result<WrittenComment, ForgeError> {
    let path = repo_path(project, &format!("/issues/comments/{id}"))?;
    let gone = |what: String| ForgeError::NotFound { forge: client.api.host().to_owned(), what };
    let written: Written = client.send(project, Method::GET, &path, None).await?.json()?;
    if written.issue_url.rsplit('/').next() != Some(number.to_string().as_str()) {
        return Err(gone(format!("comment {id} on #{number}")));
    }
    // The account of somebody who left is null.
    let author = written.user.ok_or_else(|| gone(format!("author of comment {id}")))?.into();
    Ok(WrittenComment { author, body: written.body.unwrap_or_default(), created: written.created_at })
}

pub(super) async fn react(client: &Client, project: &str, id: u64, reaction: Reaction) -> Result<(), ForgeError> {
    let content = match reaction {
        Reaction::Done => "+1",
        Reaction::Refused => "-1",
        Reaction::NotUnderstood => "confused",
    };
    let path = repo_path(project, &format!("/issues/comments/{id}/reactions"))?;
    client.send(project, Method::POST, &path, Some(json!({ "content": content }))).await.map(drop)
}

pub(super) async fn role(client: &Client, project: &str, user: &Author) -> Result<Role, ForgeError> {
    let path = login_path(project, &user.login)?;
    let granted: Granted = match client.send(project, Method::GET, &path, None).await {
        Ok(answer) => answer.json()?,
        // Nobody of this name.
        Err(ForgeError::NotFound { .. }) => return Ok(Role::None),
        Err(error) => return Err(error),
    };
    // The name may be another user's by now.
    let is_the_same = granted.user.as_ref().is_some_and(|granted| Author::from(granted.clone()).id == user.id);
    Ok(if is_the_same { named(&granted.permission, &granted.role_name) } else { Role::None })
}

/// `permission` has `write` for who may maintain, and `read` for who may triage. A custom role has its name in
/// `role_name` and what it is based on in `permission` (GitHub: repository permissions for a user).
fn named(permission: &str, role_name: &str) -> Role {
    match (permission, role_name) {
        ("admin", _) => Role::Admin,
        ("write", "maintain") => Role::Maintain,
        ("write", _) => Role::Write,
        ("read", "triage") => Role::Triage,
        ("read", _) => Role::Read,
        _ => Role::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_role_counts_as_what_it_is_based_on() {
        assert_eq!(named("admin", "admin"), Role::Admin);
        assert_eq!(named("write", "maintain"), Role::Maintain);
        assert_eq!(named("write", "write"), Role::Write);
        assert_eq!(named("write", "deployers"), Role::Write);
        assert_eq!(named("read", "triage"), Role::Triage);
        assert_eq!(
            (named("read", "admin"), named("none", "admin"), named("", "")),
            (Role::Read, Role::None, Role::None)
        );
    }
}
