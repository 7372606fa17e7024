//! Maps events to jobs.

use driftless_webhooks::{Comment, CommentAction, Event, MergeGroupAction, PullRequest, PullRequestAction};

use crate::command;
use crate::ids::RepoName;
use crate::queue::{Key, Request, Trigger};

/// The jobs that an event queues, or the reason why it queues none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routed {
    Requests(Vec<Request>),
    Ignored(String),
}

/// GitHub's merge queue pushes its groups under this prefix, and announces them by events of their own.
const MERGE_QUEUE: &str = "refs/heads/gh-readonly-queue/";

/// `repo` is the configured repo of the event's project. The commits that the payload names are hints: the refs decide.
pub fn route(event: &Event, repo: &RepoName, cause: &Trigger) -> Routed {
    let repo = repo.clone();
    let request = |key| Request::new(key, cause.clone());
    match event {
        Event::Push(push) if push.ref_name.starts_with(MERGE_QUEUE) => {
            ignored("pushes to merge group branches are ignored; merge group events are used")
        }
        Event::Push(push) => {
            let request = request(Key::Push { repo, ref_name: push.ref_name.clone() });
            requests(match &push.after {
                Some(sha) => request.with_hint(sha.to_string()),
                None => request,
            })
        }
        // The id may be that of a tag object, which no run works on.
        Event::Tag(tag) => requests(request(Key::Push { repo, ref_name: tag.ref_name.clone() })),
        Event::PullRequest(pull) if concerns_us(pull) => {
            requests(request(Key::Preview { repo, number: pull.number }).with_hint(pull.head.to_string()))
        }
        Event::PullRequest(_) => ignored("neither the head nor the base of the pull request has changed"),
        // Also of one that is gone: its commit is not left pending.
        Event::MergeGroup(group)
            if matches!(group.action, MergeGroupAction::ChecksRequested | MergeGroupAction::Destroyed) =>
        {
            requests(
                request(Key::MergeGroup { repo, ref_name: group.head_ref.clone() }).with_hint(group.head.to_string()),
            )
        }
        Event::MergeGroup(_) => ignored("this action of a merge group is ignored"),
        Event::Comment(comment) => match commands(comment) {
            Some(hint) => {
                requests(request(Key::Comment { repo, number: comment.number, id: comment.id }).with_hint(hint))
            }
            None => ignored("the comment has no command for Driftless"),
        },
        Event::Ping => ignored("the webhook works"),
        Event::Ignored { name, reason } => Routed::Ignored(format!("{name}: {reason}")),
        _ => ignored("this event is ignored"),
    }
}

/// Of a new comment on a pull request that has commands: a hash of it. What is read later must be the same, as an
/// edited comment is no command.
fn commands(comment: &Comment) -> Option<String> {
    let is_command =
        comment.on_pull_request && comment.action == CommentAction::Created && command::is_addressed(&comment.body);
    is_command.then(|| command::digest(&comment.body))
}

fn concerns_us(pull: &PullRequest) -> bool {
    !matches!(pull.action, PullRequestAction::Other)
}

fn requests(request: Request) -> Routed {
    Routed::Requests(vec![request])
}

fn ignored(reason: &str) -> Routed {
    Routed::Ignored(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use driftless_webhooks::{MergeGroup, Oid, Push, Tag};

    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn oid() -> Oid {
        SHA.parse().expect("an id")
    }

    fn push(ref_name: &str, after: Option<Oid>) -> Event {
        Event::Push(Push { project: "acme/shop".into(), ref_name: ref_name.into(), before: None, after, forced: false })
    }

    fn pull(action: PullRequestAction) -> Event {
        Event::PullRequest(PullRequest {
            project: "acme/shop".into(),
            number: 7,
            action,
            head: oid(),
            head_ref: "refs/heads/change".into(),
            base_ref: "refs/heads/main".into(),
            base: None,
            from_fork: false,
            merge_commit: None,
            draft: false,
        })
    }

    fn group(action: MergeGroupAction) -> Event {
        Event::MergeGroup(MergeGroup {
            project: "acme/shop".into(),
            action,
            head: oid(),
            head_ref: "refs/heads/gh-readonly-queue/main/pr-7-aa".into(),
            base: oid(),
            base_ref: "refs/heads/main".into(),
        })
    }

    type Asked = (String, Option<String>);

    /// The key and the hint, or the reason.
    fn routed(event: &Event) -> Result<Asked, String> {
        match route(event, &RepoName::new("shop"), &Trigger::Poll) {
            Routed::Requests(requests) => {
                assert_eq!(requests.len(), 1);
                Ok((requests[0].key.to_string(), requests[0].hint.clone()))
            }
            Routed::Ignored(reason) => Err(reason),
        }
    }

    fn asks(key: &str, hint: Option<&str>) -> Asked {
        (key.into(), hint.map(str::to_owned))
    }

    #[test]
    fn pushes_and_tags_ask_for_their_ref() {
        assert_eq!(routed(&push("refs/heads/main", Some(oid()))), Ok(asks("push:shop+refs/heads/main", Some(SHA))));
        assert_eq!(routed(&push("refs/heads/main", None)), Ok(asks("push:shop+refs/heads/main", None)));
        let tag =
            Tag { project: "acme/shop".into(), ref_name: "refs/tags/v1".into(), before: None, after: Some(oid()) };
        assert_eq!(routed(&Event::Tag(tag)), Ok(asks("push:shop+refs/tags/v1", None)));
    }

    #[test]
    fn pull_requests_ask_for_a_preview_when_head_base_or_state_changed() {
        use PullRequestAction::{Closed, Edited, Merged, Opened, Other, Reopened, Updated};
        for action in [Opened, Updated, Reopened, Edited, Closed, Merged] {
            assert_eq!(routed(&pull(action)), Ok(asks("preview:shop#7", Some(SHA))), "{action:?}");
        }
        routed(&pull(Other)).expect_err("ignored");
    }

    #[test]
    fn merge_groups_ask_for_a_preview_of_their_own() {
        let key = "group:shop+refs/heads/gh-readonly-queue/main/pr-7-aa";
        assert_eq!(routed(&group(MergeGroupAction::ChecksRequested)), Ok(asks(key, Some(SHA))));
        // A19: the commit of a group that is dissolved must not stay pending.
        routed(&group(MergeGroupAction::Destroyed)).expect("looked at");
        routed(&push("refs/heads/gh-readonly-queue/main/pr-7-aa", Some(oid()))).expect_err("ignored");
    }

    #[test]
    fn other_events_say_why_nothing_is_done() {
        assert_eq!(routed(&Event::Ping), Err("the webhook works".into()));
        let star = Event::Ignored { name: "star".into(), reason: "no use for it".into() };
        assert_eq!(routed(&star), Err("star: no use for it".into()));
    }
}
