//! Notes of others, reactions to them, and what their authors may do.

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::path::{comment_id, note_path, project_path};
use super::wire::User;
use crate::forge::{Author, ForgeError, Reaction, Role, WrittenComment};

#[derive(Deserialize)]
struct Member {
    access_level: u64,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    author: Option<User>,
    #[serde(default)]
    system: bool,
    created_at: Timestamp,
}

pub(super) async fn read(client: &Client, project: &str, number: u64, id: u64) -> Result<WrittenComment, ForgeError> {
    let note: Written = client.get(&note_path(project, &comment_id(number, id))?).await?.json()?;
    let what = || ForgeError::NotFound { forge: client.api.host().to_owned(), what: format!("author of note {id}") };
    // GitLab itself wrote it, or somebody whose account is gone.
    let author = note.author.filter(|_| !note.system).ok_or_else(what)?;
    Ok(WrittenComment { author: named(author), body: note.body.unwrap_or_default(), created: note.created_at })
}

fn named(user: User) -> Author {
    Author { id: user.id.to_string(), is_bot: is_bot(&user.username), login: user.username }
}

/// The user of an access token is named `project_ID_bot_…` or `group_ID_bot_…` (GitLab: project access tokens).
fn is_bot(username: &str) -> bool {
    let rest = username.strip_prefix("project_").or_else(|| username.strip_prefix("group_"));
    rest.and_then(|rest| rest.split_once("_bot")).is_some_and(|(id, _)| id.parse::<u64>().is_ok())
}

pub(super) async fn react(
    client: &Client,
    project: &str,
    number: u64,
    id: u64,
    reaction: Reaction,
) -> Result<(), ForgeError> {
    let name = match reaction {
        Reaction::Done => "thumbsup",
        Reaction::Refused => "thumbsdown",
        Reaction::NotUnderstood => "confused",
    };
    let path = format!("{}/award_emoji", note_path(project, &comment_id(number, id))?);
    match client.send(Method::POST, &path, Some(&json!({ "name": name }))).await {
        // GitLab also answers 404 for one that is there already.
        Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) async fn role(client: &Client, project: &str, user: &Author) -> Result<Role, ForgeError> {
    let Ok(id) = user.id.parse::<u64>() else { return Ok(Role::None) };
    match client.get(&project_path(project, &format!("/members/all/{id}"))?).await {
        Ok(answer) => Ok(of_level(answer.json::<Member>()?.access_level)),
        // Administrators of the instance are members as well, or have no say.
        Err(ForgeError::NotFound { .. }) => Ok(Role::None),
        Err(error) => Err(error),
    }
}

/// Guest 10, Planner 15, Reporter 20, Developer 30, Maintainer 40, Owner 50 (GitLab: roles).
fn of_level(level: u64) -> Role {
    match level {
        50.. => Role::Admin,
        40.. => Role::Maintain,
        30.. => Role::Write,
        20.. => Role::Triage,
        10.. => Role::Read,
        _ => Role::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_role() {
        let roles = [0, 5, 10, 15, 20, 30, 40, 50, 60].map(of_level);
        let expected = {
            use Role::{Admin, Maintain, None, Read, Triage, Write};
            [None, None, Read, Read, Triage, Write, Maintain, Admin, Admin]
        };
        assert_eq!(roles, expected);
    }

    #[test]
    fn the_users_of_tokens_are_bots() {
        assert!(is_bot("project_81_bot_4f2") && is_bot("group_7_bot1"));
        assert!(!is_bot("ann") && !is_bot("project_manager") && !is_bot("project_x_bot_1"));
    }
}
