//! GitHub's objects as GitHub writes them: every field that its description requires, so that no client relies on less.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::forge::deliver::Sent;
use crate::forge::record::{Comment, Moved, Pull, Repo, Status};
use crate::forge::settings::Settings;
use crate::forge::user::id as user_id;
use crate::forge::view::View;

pub(super) fn node(id: u64) -> String {
    format!("DEV_{id}")
}

pub(super) fn user(view: &View, login: &str) -> Value {
    // A bot's name has brackets, which GitHub encodes in addresses.
    let path = login.replace('[', "%5B").replace(']', "%5D");
    let api = format!("{}/users/{path}", view.api);
    let id = user_id(login);
    let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
    let mut user = json!({
        "login": login, "id": id, "node_id": node(id), "avatar_url": format!("{}/avatar", view.site), "gravatar_id": "",
        "url": api, "html_url": format!("{}/{path}", view.site), "type": kind, "site_admin": false,
        "following_url": format!("{api}/following{{/other_user}}"), "gists_url": format!("{api}/gists{{/gist_id}}"),
        "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"), "events_url": format!("{api}/events{{/privacy}}"),
    });
    for (key, path) in [
        ("followers_url", "followers"),
        ("subscriptions_url", "subscriptions"),
        ("organizations_url", "orgs"),
        ("repos_url", "repos"),
        ("received_events_url", "received_events"),
    ] {
        user[key] = json!(format!("{api}/{path}"));
    }
    user
}

pub(super) fn own_user(view: &View, login: &str, now: Timestamp) -> Value {
    let mut user = user(view, login);
    for key in ["public_repos", "public_gists", "followers", "following"] {
        user[key] = json!(0);
    }
    for key in ["name", "company", "blog", "location", "email", "hireable", "bio"] {
        user[key] = Value::Null;
    }
    user["created_at"] = time(now);
    user["updated_at"] = time(now);
    user
}

fn time(at: Timestamp) -> Value {
    json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub(super) fn repo(view: &View, repo: &Repo) -> Value {
    let full = repo.full_name();
    let api = format!("{}/repos/{full}", view.api);
    let site = format!("{}/{full}", view.site);
    let mut out = json!({
        "id": repo.id, "node_id": node(repo.id), "name": repo.name, "full_name": full, "private": true,
        "owner": user(view, &repo.owner),
        "html_url": site, "url": api, "description": null, "fork": false, "homepage": null, "language": null,
        "mirror_url": null,
        "license": null, "default_branch": "main", "clone_url": format!("{site}.git"),
        "git_url": format!("git://localhost/{full}.git"),
        "ssh_url": format!("git@localhost:{full}.git"), "svn_url": site, "size": 0, "visibility": "private",
        "created_at": time(repo.created), "updated_at": time(repo.created), "pushed_at": time(repo.created),
    });
    for key in ["archived", "disabled", "has_discussions", "has_downloads", "has_pages", "has_projects", "has_wiki"] {
        out[key] = json!(false);
    }
    out["has_issues"] = json!(true);
    for key in
        ["forks", "forks_count", "open_issues", "open_issues_count", "stargazers_count", "watchers", "watchers_count"]
    {
        out[key] = json!(0);
    }
    for (key, path) in REPO_URLS {
        out[*key] = json!(format!("{api}/{path}"));
    }
    out
}

const REPO_URLS: &[(&str, &str)] = &[
    ("archive_url", "{archive_format}{/ref}"),
    ("assignees_url", "assignees{/user}"),
    ("blobs_url", "git/blobs{/sha}"),
    ("branches_url", "branches{/branch}"),
    ("collaborators_url", "collaborators{/collaborator}"),
    ("comments_url", "comments{/number}"),
    ("commits_url", "commits{/sha}"),
    ("compare_url", "compare/{base}...{head}"),
    ("contents_url", "contents/{+path}"),
    ("contributors_url", "contributors"),
    ("deployments_url", "deployments"),
    ("downloads_url", "downloads"),
    ("events_url", "events"),
    ("forks_url", "forks"),
    ("git_commits_url", "git/commits{/sha}"),
    ("git_refs_url", "git/refs{/sha}"),
    ("git_tags_url", "git/tags{/sha}"),
    ("hooks_url", "hooks"),
    ("issue_comment_url", "issues/comments{/number}"),
    ("issue_events_url", "issues/events{/number}"),
    ("issues_url", "issues{/number}"),
    ("keys_url", "keys{/key_id}"),
    ("labels_url", "labels{/name}"),
    ("languages_url", "languages"),
    ("merges_url", "merges"),
    ("milestones_url", "milestones{/number}"),
    ("notifications_url", "notifications{?since,all,participating}"),
    ("pulls_url", "pulls{/number}"),
    ("releases_url", "releases{/id}"),
    ("stargazers_url", "stargazers"),
    ("statuses_url", "statuses/{sha}"),
    ("subscribers_url", "subscribers"),
    ("subscription_url", "subscription"),
    ("tags_url", "tags"),
    ("teams_url", "teams"),
    ("trees_url", "git/trees{/sha}"),
];

fn side(view: &View, of: &Repo, branch: &str, sha: &str) -> Value {
    json!({
        "label": format!("{}:{branch}", of.owner), "ref": branch, "sha": sha, "user": user(view, &of.owner),
        "repo": repo(view, of),
    })
}

/// As in a list.
pub(super) fn pull(view: &View, of: &Repo, pull: &Pull) -> Value {
    let full = of.full_name();
    let api = format!("{}/repos/{full}/pulls/{}", view.api, pull.number);
    let issue = format!("{}/repos/{full}/issues/{}", view.api, pull.number);
    let site = format!("{}/{full}/pull/{}", view.site, pull.number);
    let statuses = format!("{}/repos/{full}/statuses/{}", view.api, pull.head);
    let mut head = side(view, of, &pull.head_ref, pull.head.as_str());
    if pull.fork {
        head["repo"]["id"] = json!(of.id + 1_000_000);
        head["repo"]["fork"] = json!(true);
    }
    let closed = if pull.open { Value::Null } else { time(pull.updated) };
    let link = |href: &str| json!({ "href": href });
    let mut out = json!({
        "id": pull.id, "node_id": node(pull.id), "number": pull.number,
        "state": if pull.open { "open" } else { "closed" }, "locked": false,
        "title": pull.title, "user": user(view, &pull.author), "body": null, "draft": false, "labels": [],
        "milestone": null,
        "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [],
        "author_association": "OWNER", "auto_merge": null,
        "created_at": time(pull.created), "updated_at": time(pull.updated), "closed_at": closed,
        "merged_at": pull.merged.as_ref().map(|merged| time(merged.at)),
        "merge_commit_sha": pull.merged.as_ref().map(|merged| merged.tip.to_string()),
        "url": api, "html_url": site, "diff_url": format!("{site}.diff"), "patch_url": format!("{site}.patch"),
        "issue_url": issue,
        "commits_url": format!("{api}/commits"), "review_comments_url": format!("{api}/comments"),
        "review_comment_url": format!("{}/repos/{full}/pulls/comments{{/number}}", view.api),
        "comments_url": format!("{issue}/comments"),
        "statuses_url": statuses, "head": head, "base": side(view, of, &pull.base_ref, pull.base.as_str()),
    });
    out["_links"] = json!({
        "self": link(&api), "html": link(&site), "issue": link(&issue), "comments": link(&format!("{issue}/comments")),
        "review_comments": link(&format!("{api}/comments")),
        "review_comment": link(&format!("{api}/comments{{/number}}")),
        "commits": link(&format!("{api}/commits")), "statuses": link(&statuses),
    });
    out
}

/// As asked for alone.
pub(super) fn full_pull(view: &View, of: &Repo, pull: &Pull, comments: usize) -> Value {
    let mut out = self::pull(view, of, pull);
    let more = json!({
        "merged": pull.merged.is_some(), "mergeable": pull.open.then_some(true),
        "mergeable_state": if pull.open { "clean" } else { "unknown" },
        "merged_by": pull.merged.as_ref().map(|merged| user(view, &merged.by)), "comments": comments, "review_comments": 0,
        "maintainer_can_modify": false, "commits": 1, "additions": 0, "deletions": 0, "changed_files": 1,
        "rebaseable": null,
    });
    merge(&mut out, more);
    out
}

fn merge(into: &mut Value, more: Value) {
    let empty = &mut Map::new();
    let fields = into.as_object_mut().unwrap_or(empty);
    if let Value::Object(more) = more {
        fields.extend(more);
    }
}

pub(super) fn comment(view: &View, of: &Repo, comment: &Comment) -> Value {
    let full = of.full_name();
    json!({
        "id": comment.id, "node_id": node(comment.id), "body": comment.body, "user": user(view, &comment.author),
        "url": format!("{}/repos/{full}/issues/comments/{}", view.api, comment.id),
        "html_url": format!("{}/{full}/pull/{}#issuecomment-{}", view.site, comment.number, comment.id),
        "issue_url": format!("{}/repos/{full}/issues/{}", view.api, comment.number),
        "created_at": time(comment.created), "updated_at": time(comment.updated), "author_association": "OWNER",
        "performed_via_github_app": null,
    })
}

pub(super) fn reaction(view: &View, comment: u64, login: &str, content: &str, now: Timestamp) -> Value {
    let id = user_id(&format!("{comment} {login} {content}"));
    json!({"id": id, "node_id": node(id), "user": user(view, login), "content": content, "created_at": time(now)})
}

/// By the level as GitLab counts it. GitHub has its roles of old in `permission`, and the others in `role_name` alone.
pub(super) fn permission(view: &View, login: &str, level: u64) -> Value {
    let (permission, role) = match level {
        50.. => ("admin", "admin"),
        40.. => ("write", "maintain"),
        30.. => ("write", "write"),
        20.. => ("read", "triage"),
        10.. => ("read", "read"),
        _ => ("none", "none"),
    };
    let mut user = user(view, login);
    user["role_name"] = json!(role);
    json!({"permission": permission, "role_name": role, "user": user})
}

pub(super) fn comment_event(view: &View, of: &Repo, comment: &Comment) -> Value {
    let (number, full) = (comment.number, of.full_name());
    let action = if comment.updated > comment.created { "edited" } else { "created" };
    let pull = of.pulls.get(&number);
    json!({
        "action": action, "comment": self::comment(view, of, comment),
        "issue": {
            "number": number, "title": pull.map(|pull| &pull.title), "state": pull.map(Pull::state),
            "user": pull.map(|pull| user(view, &pull.author)),
            "pull_request": {"url": format!("{}/repos/{full}/pulls/{number}", view.api)},
        },
    })
}

pub(super) fn status(view: &View, of: &Repo, status: &Status) -> Value {
    json!({
        "url": format!("{}/repos/{}/statuses/{}", view.api, of.full_name(), status.sha),
        "avatar_url": format!("{}/avatar", view.site),
        "id": status.id, "node_id": node(status.id), "state": status.state, "description": status.description,
        "target_url": status.target_url, "context": status.context, "created_at": time(status.created),
        "updated_at": time(status.created),
        "creator": user(view, &status.creator),
    })
}

/// The newest status of each context, and what they come to.
pub(super) fn combined(view: &View, of: &Repo, sha: &str, latest: &[&Status], page: &[&Status]) -> Value {
    let any = |state: &str| latest.iter().any(|status| status.state == state);
    let state = if any("failure") || any("error") {
        "failure"
    } else if latest.is_empty() || any("pending") {
        "pending"
    } else {
        "success"
    };
    let statuses: Vec<Value> = page
        .iter()
        .map(|one| {
            let mut out = status(view, of, one);
            out.as_object_mut().map(|fields| fields.remove("creator"));
            out
        })
        .collect();
    let api = format!("{}/repos/{}/commits/{sha}", view.api, of.full_name());
    json!({
        "state": state, "sha": sha, "total_count": latest.len(), "statuses": statuses, "repository": repo(view, of),
        "commit_url": api, "url": format!("{api}/status"),
    })
}

pub(super) fn app(view: &View, id: u64, slug: &str, now: Timestamp) -> Value {
    json!({
        "id": id, "slug": slug, "node_id": node(id), "owner": user(view, "driftless"), "name": slug,
        "description": null,
        "external_url": view.site, "html_url": format!("{}/apps/{slug}", view.site), "created_at": time(now),
        "updated_at": time(now),
        "permissions": {"statuses": "write", "pull_requests": "write", "contents": "read", "metadata": "read"},
        "events": ["push", "pull_request"],
    })
}

pub(super) fn installation(view: &View, id: u64, app_id: u64, slug: &str, of: &Repo, settings: &Settings) -> Value {
    json!({
        "id": id, "account": user(view, &of.owner), "app_id": app_id, "app_slug": slug,
        "target_id": user_id(&of.owner), "target_type": "User",
        "single_file_name": null, "repository_selection": "all",
        "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", view.api),
        "html_url": format!("{}/settings/installations/{id}", view.site),
        "repositories_url": format!("{}/installation/repositories", view.api),
        "events": ["push", "pull_request"], "permissions": settings.permissions, "created_at": time(of.created),
        "updated_at": time(of.created), "suspended_by": null, "suspended_at": null,
    })
}

/// As asked for alone.
pub(super) fn full_repo(view: &View, of: &Repo, may_push: bool) -> Value {
    let mut out = repo(view, of);
    for key in ["network_count", "subscribers_count"] {
        out[key] = json!(0);
    }
    out["permissions"] =
        json!({"admin": may_push, "maintain": may_push, "push": may_push, "triage": may_push, "pull": true});
    out
}

pub(super) fn hook(view: &View, of: &Repo, url: &str, settings: &Settings, last: Option<&Sent>) -> Value {
    let api = format!("{}/repos/{}/hooks/{}", view.api, of.full_name(), of.hook);
    let last_response = match last {
        None => json!({"code": null, "status": "unused", "message": null}),
        Some(sent) => match sent.status {
            Some(code @ 200..300) => json!({"code": code, "status": "active", "message": "OK"}),
            Some(code) => json!({"code": code, "status": "error", "message": format!("Invalid HTTP Response: {code}")}),
            None => json!({"code": 502, "status": "error", "message": "failed to connect to host"}),
        },
    };
    json!({
        "type": "Repository", "id": of.hook, "name": "web", "active": settings.active, "events": settings.events,
        "config": hook_config(Some(url), settings), "updated_at": time(of.created), "created_at": time(of.created),
        "url": api,
        "test_url": format!("{api}/test"), "ping_url": format!("{api}/pings"),
        "deliveries_url": format!("{api}/deliveries"),
        "last_response": last_response,
    })
}

pub(super) fn hook_config(url: Option<&str>, settings: &Settings) -> Value {
    let insecure = if settings.verifies_tls { "0" } else { "1" };
    let mut config = json!({"content_type": settings.content_type, "insecure_ssl": insecure, "secret": "********"});
    if let Some(url) = url {
        config["url"] = json!(url);
    }
    config
}

pub(super) fn delivery(sent: &Sent, repository: Option<u64>) -> Value {
    json!({
        "id": sent.id, "guid": sent.letter.guid, "delivered_at": time(sent.at), "redelivery": sent.redelivery,
        "duration": 0.01,
        "status": sent.status.map_or("failed to connect to host", |code| if code < 300 { "OK" } else { "Invalid HTTP \
                                                                                                        Response" }),
        "status_code": sent.status.unwrap_or(0), "event": sent.letter.event, "action": null, "installation_id": null,
        "repository_id": repository,
        "throttled_at": null,
    })
}

pub(super) fn push(view: &View, project: &str, moved: &Moved) -> Value {
    let zeros = "0".repeat(40);
    let id = |oid: &Option<driftless_webhooks::Oid>| oid.as_ref().map_or_else(|| zeros.clone(), ToString::to_string);
    json!({
        "ref": format!("refs/heads/{}", moved.branch), "before": id(&moved.before), "after": id(&moved.after),
        "forced": false,
        "created": moved.before.is_none(), "deleted": moved.after.is_none(), "base_ref": null, "commits": [],
        "head_commit": null,
        "compare": format!("{}/{project}/compare/{}...{}", view.site, id(&moved.before), id(&moved.after)),
        "pusher": {"name": "driftless", "email": null},
    })
}

pub(super) fn pull_event(view: &View, of: &Repo, pull: &Pull, action: &str) -> Value {
    json!({ "action": action, "number": pull.number, "pull_request": full_pull(view, of, pull, 0) })
}
