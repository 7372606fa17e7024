//! The pipelines of a repository, and GitLab's rules for statuses: each is a job of a pipeline.
//!
//! After `Ci::CreateCommitStatusService`, `CommitStatus` and `Ci::PipelinesForMergeRequestFinder` of GitLab 18.

use driftless_webhooks::Oid;
use jiff::Timestamp;

use crate::forge::shown::StatusView;

/// What a pipeline was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineKind {
    /// For a push to a branch.
    Branch,
    /// For the head of a merge request.
    MergeRequest,
    /// For the merge of a merge request with its target.
    MergedResult,
    /// To hold the statuses that others set.
    External,
}

#[derive(Debug, Clone)]
pub(in crate::forge) struct Pipeline {
    pub id: u64,
    pub kind: PipelineKind,
    /// Of [`PipelineKind::MergedResult`] the merge, and the head is `source`.
    pub sha: Oid,
    pub source: Oid,
    pub name: String,
    pub jobs: Vec<Job>,
    pub created: Timestamp,
}

#[derive(Debug, Clone)]
pub(in crate::forge) struct Job {
    pub id: u64,
    pub name: String,
    pub state: String,
    pub description: Option<String>,
    pub target_url: Option<String>,
    pub author: String,
    pub created: Timestamp,
    pub finished: Option<Timestamp>,
}

/// A status that is to be set.
#[derive(Debug, Clone)]
pub(in crate::forge) struct Ask {
    pub sha: Oid,
    pub state: String,
    /// As it was given.
    pub name: Option<String>,
    /// The first branch that has the commit, for who names none.
    pub branch: Option<String>,
    pub pipeline: Option<u64>,
    pub job: String,
    pub description: Option<String>,
    pub target_url: Option<String>,
    pub author: String,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::forge) enum Refusal {
    /// With the text of the answer.
    NotFound(&'static str),
    Invalid(String),
}

/// Oldest first.
#[derive(Debug, Clone, Default)]
pub(in crate::forge) struct Pipelines(Vec<Pipeline>);

const LIVE: [&str; 2] = ["pending", "running"];

impl Pipelines {
    /// `ids` are new ones, should a pipeline and a job be made.
    pub(in crate::forge) fn set(&mut self, ask: Ask, ids: [u64; 2]) -> Result<(&Pipeline, &Job), Refusal> {
        let found = self.matching(&ask);
        let place = found.map(|at| self.0[at].name.clone());
        let Some(name) = ask.name.clone().or(place).or_else(|| ask.branch.clone()) else {
            return Err(Refusal::NotFound("404 References for commit Not Found"));
        };
        if ask.pipeline.is_some() && found.is_none() {
            return Err(Refusal::NotFound("404 Pipeline for pipeline_id, sha and ref Not Found"));
        }
        let own = |job: &Job| job.name == ask.job && job.author == ask.author && LIVE.contains(&job.state.as_str());
        let known = found.and_then(|at| self.0[at].jobs.iter().position(own));
        // It is refused as a whole: neither a text is changed nor a pipeline made.
        let before = found.zip(known).map_or("created", |(at, job)| self.0[at].jobs[job].state.as_str());
        transition(before, &ask.state)?;
        let at = found.unwrap_or_else(|| self.add(external(&ask, ids[0], name)));
        let pipeline = &mut self.0[at];
        let job = known.unwrap_or_else(|| {
            pipeline.jobs.push(Job::new(ids[1], &ask));
            pipeline.jobs.len() - 1
        });
        pipeline.jobs[job].become_so(ask);
        Ok((&self.0[at], &self.0[at].jobs[job]))
    }

    /// The newest of this commit, ref and id, as far as these are said.
    fn matching(&self, ask: &Ask) -> Option<usize> {
        self.0.iter().rposition(|pipeline| {
            pipeline.sha == ask.sha
                && ask.name.as_ref().is_none_or(|name| *name == pipeline.name)
                && ask.pipeline.is_none_or(|id| id == pipeline.id)
        })
    }

    /// Where it is.
    pub(in crate::forge) fn add(&mut self, pipeline: Pipeline) -> usize {
        self.0.push(pipeline);
        self.0.len() - 1
    }

    /// All jobs of a commit with their pipelines, oldest first.
    pub(in crate::forge) fn jobs<'a>(&'a self, sha: &'a Oid) -> impl Iterator<Item = (&'a Pipeline, &'a Job)> {
        let of = self.0.iter().filter(move |pipeline| pipeline.sha == *sha);
        of.flat_map(|pipeline| pipeline.jobs.iter().map(move |job| (pipeline, job)))
    }

    /// What others set, newest first.
    pub(in crate::forge) fn shown(&self, sha: &Oid) -> Vec<StatusView> {
        let of = self.0.iter().filter(|pipeline| pipeline.source == *sha);
        let mut jobs: Vec<&Job> = of.flat_map(|pipeline| &pipeline.jobs).collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(job.id));
        let view = |job: &Job| StatusView {
            state: job.state.clone(),
            context: job.name.clone(),
            description: job.description.clone().unwrap_or_default(),
        };
        jobs.into_iter().map(view).collect()
    }

    /// The pipeline that decides whether a merge request may be merged.
    pub(in crate::forge) fn head(&self, head: &Oid, branch: &str, its_refs: &str) -> Option<&Pipeline> {
        self.of(head, branch, its_refs).into_iter().next()
    }

    /// Those of a merge request's head, the newest first. One that was made for the merge request outranks the others,
    /// however old it is.
    pub(in crate::forge) fn of(&self, head: &Oid, branch: &str, its_refs: &str) -> Vec<&Pipeline> {
        let of_request = |pipeline: &&Pipeline| pipeline.name.starts_with(its_refs) && pipeline.source == *head;
        let of_branch = |pipeline: &&Pipeline| pipeline.name == branch && pipeline.sha == *head;
        self.0.iter().rev().filter(of_request).chain(self.0.iter().rev().filter(of_branch)).collect()
    }
}

fn external(ask: &Ask, id: u64, name: String) -> Pipeline {
    let (sha, source) = (ask.sha.clone(), ask.sha.clone());
    Pipeline { id, kind: PipelineKind::External, sha, source, name, jobs: Vec::new(), created: ask.now }
}

impl Pipeline {
    /// What its jobs come to. Only the newest of each name counts.
    pub(in crate::forge) fn state(&self) -> &'static str {
        let latest: Vec<&str> = self.latest().map(|job| job.state.as_str()).collect();
        let any = |state: &str| latest.contains(&state);
        let all = |state: &str| latest.iter().all(|one| *one == state);
        match () {
            () if latest.is_empty() => "created",
            () if all("skipped") => "skipped",
            () if all("pending") => "pending",
            () if any("pending") || any("running") => "running",
            () if any("failed") => "failed",
            () if any("canceled") => "canceled",
            () => "success",
        }
    }

    pub(in crate::forge) fn latest(&self) -> impl Iterator<Item = &Job> {
        let later = |at: usize, job: &Job| self.jobs[at + 1..].iter().any(|other| other.name == job.name);
        self.jobs.iter().enumerate().filter(move |(at, job)| !later(*at, job)).map(|(_, job)| job)
    }
}

impl Job {
    fn new(id: u64, ask: &Ask) -> Self {
        Self {
            id,
            name: ask.job.clone(),
            state: String::new(),
            description: None,
            target_url: None,
            author: ask.author.clone(),
            created: ask.now,
            finished: None,
        }
    }

    /// What is not said stays.
    fn become_so(&mut self, ask: Ask) {
        self.state = ask.state;
        self.description = ask.description.or_else(|| self.description.take());
        self.target_url = ask.target_url.or_else(|| self.target_url.take());
        self.finished = (!LIVE.contains(&self.state.as_str())).then_some(ask.now);
    }
}

/// Whether a job in one state may come into the other.
fn transition(from: &str, to: &str) -> Result<(), Refusal> {
    let (event, allowed): (&str, &[&str]) = match to {
        "pending" => ("enqueue", &["created"]),
        "running" => ("run", &["created", "pending"]),
        "success" => ("success", &["created", "pending", "running"]),
        "failed" => ("drop", &["created", "pending", "running"]),
        "canceled" => ("cancel", &["created", "pending", "running"]),
        _ => ("skip", &["created", "pending"]),
    };
    if allowed.contains(&from) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!(
        "Cannot transition status via :{event} from :{from} (Reason(s): Status cannot transition via \"{event}\")"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: &str) -> Oid {
        digit.repeat(40).parse().expect("an id")
    }

    fn ask(state: &str) -> Ask {
        Ask {
            sha: oid("a"),
            state: state.into(),
            name: Some("topic".into()),
            branch: None,
            pipeline: None,
            job: "driftless".into(),
            description: Some(format!("it is {state}")),
            target_url: None,
            author: "bot".into(),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn set(pipelines: &mut Pipelines, ask: Ask, id: u64) -> Result<(u64, u64, String), Refusal> {
        pipelines.set(ask, [id, id + 1]).map(|(pipeline, job)| (pipeline.id, job.id, job.state.clone()))
    }

    fn refused(event: &str, from: &str) -> Refusal {
        Refusal::Invalid(format!(
            "Cannot transition status via :{event} from :{from} (Reason(s): Status cannot transition via \"{event}\")"
        ))
    }

    #[test]
    fn one_record_changes_until_it_is_finished_and_then_there_is_another() {
        let mut pipelines = Pipelines::default();
        assert_eq!(set(&mut pipelines, ask("pending"), 1), Ok((1, 2, "pending".into())));
        assert_eq!(set(&mut pipelines, ask("pending"), 3), Err(refused("enqueue", "pending")));
        assert_eq!(set(&mut pipelines, ask("running"), 3), Ok((1, 2, "running".into())));
        assert_eq!(set(&mut pipelines, ask("running"), 3), Err(refused("run", "running")));
        assert_eq!(set(&mut pipelines, ask("pending"), 3), Err(refused("enqueue", "running")));
        assert_eq!(set(&mut pipelines, ask("success"), 3), Ok((1, 2, "success".into())));
        assert_eq!(set(&mut pipelines, ask("success"), 5), Ok((1, 6, "success".into())));
        assert_eq!(set(&mut pipelines, ask("pending"), 7), Ok((1, 8, "pending".into())));
        let states: Vec<_> = pipelines.shown(&oid("a")).into_iter().map(|status| status.state).collect();
        assert_eq!(states, ["pending", "success", "success"]);
        // A text that comes with a state that is refused is refused with it.
        let other = Ask { description: Some("other".into()), ..ask("pending") };
        set(&mut pipelines, other, 9).expect_err("as it is");
        assert_eq!(pipelines.shown(&oid("a"))[0].description, "it is pending");
    }

    #[test]
    fn another_name_user_or_ref_has_a_record_of_its_own() {
        let mut pipelines = Pipelines::default();
        set(&mut pipelines, ask("pending"), 1).expect("set");
        assert_eq!(set(&mut pipelines, Ask { job: "other".into(), ..ask("pending") }, 3), Ok((1, 4, "pending".into())));
        let theirs = Ask { author: "ada".into(), ..ask("pending") };
        assert_eq!(set(&mut pipelines, theirs, 5), Ok((1, 6, "pending".into())));
        let elsewhere = Ask { name: Some("other".into()), ..ask("pending") };
        assert_eq!(set(&mut pipelines, elsewhere, 7), Ok((7, 8, "pending".into())));
    }

    #[test]
    fn without_a_ref_it_goes_to_the_newest_pipeline_and_else_to_a_branch() {
        let mut pipelines = Pipelines::default();
        let nowhere = Ask { name: None, ..ask("pending") };
        assert_eq!(
            set(&mut pipelines, nowhere.clone(), 1),
            Err(Refusal::NotFound("404 References for commit Not Found"))
        );
        let branch = Ask { branch: Some("main".into()), ..nowhere.clone() };
        assert_eq!(set(&mut pipelines, branch, 1), Ok((1, 2, "pending".into())));
        set(&mut pipelines, ask("pending"), 3).expect("on its own branch");
        assert_eq!(set(&mut pipelines, Ask { job: "x".into(), ..nowhere }, 5), Ok((3, 6, "pending".into())));
        let unknown = Ask { pipeline: Some(99), ..ask("pending") };
        let refusal = Refusal::NotFound("404 Pipeline for pipeline_id, sha and ref Not Found");
        assert_eq!(set(&mut pipelines, unknown, 7), Err(refusal));
    }

    #[test]
    fn a_pipeline_of_a_merge_request_outranks_those_of_its_branch() {
        let mut pipelines = Pipelines::default();
        let head = |pipelines: &Pipelines| {
            let found = pipelines.head(&oid("a"), "topic", "refs/merge-requests/1/");
            found.map(|pipeline| (pipeline.id, pipeline.state()))
        };
        assert_eq!(head(&pipelines), None);
        let mut merged = external(&ask("x"), 1, "refs/merge-requests/1/merge".into());
        (merged.kind, merged.sha) = (PipelineKind::MergedResult, oid("b"));
        pipelines.add(merged);
        set(&mut pipelines, ask("success"), 3).expect("set");
        assert_eq!(head(&pipelines), Some((1, "created")), "ours is newer, and not looked at");
        let there = Ask { sha: oid("b"), name: None, pipeline: Some(1), ..ask("failed") };
        assert_eq!(set(&mut pipelines, there, 5), Ok((1, 6, "failed".into())));
        assert_eq!(head(&pipelines), Some((1, "failed")));
        assert_eq!(pipelines.head(&oid("a"), "topic", "refs/merge-requests/11/").map(|one| one.id), Some(3));
    }
}
