//! From the lines of a comment to what they do, one after the other.

use super::approve::{self, Answer};
use super::checked::{self, Place};
use super::shown;
use crate::by_hand;
use crate::command::{self, Command, Known, MOST_LINES, NAME, Role, Verb};
use crate::forge::{PullRequest, WrittenComment};
use crate::ids::{AppId, RepoName};
use crate::jobs::Context;
use crate::jobs::preview::pull::forge_of;
use crate::queue::{Job, JobError, Key, Manual, Request, Trigger};
use crate::report::words::count;
use crate::store::apps::AppRow;
use crate::store::apps::holds::{PauseNote, Resumed};
use crate::store::commands::{CommandResult, CommandRow};

pub(in crate::jobs) async fn run(
    context: &Context,
    repo: &RepoName,
    number: u64,
    comment: u64,
    job: &Job,
) -> Result<(), JobError> {
    let repo = context.repo(repo)?;
    let place = Place { repo, number, comment };
    let Some(forge) = forge_of(context, repo) else { return Ok(()) };
    let Some(written) = checked::read(forge.as_ref(), place).await? else { return Ok(()) };
    let lines = command::lines(&written.body);
    let stale = checked::stale(context, place, &written, job).await?;
    let role = match stale {
        Some(why) => Err(why),
        None => checked::role(forge.as_ref(), place, &written, job).await?,
    };
    let pull = forge.pull_request(&repo.project, number).await?;
    let own: Vec<AppRow> = context.store.apps().await?.into_iter().filter(|row| row.app.id.repo == repo.name).collect();
    let given = Given { context, place, pull: &pull, written: &written, own: &own, role };
    // An edited comment may have none any more.
    let lines = if lines.is_empty() { vec![String::new()] } else { lines };
    let mut rows = Vec::new();
    for (line, number) in lines.iter().take(MOST_LINES).zip(1..) {
        rows.push(given.line(line, number).await?);
    }
    shown::show(context, place, &pull).await?;
    shown::react(forge.as_ref(), place, &rows).await;
    Ok(())
}

/// A comment, and what it is about.
struct Given<'a> {
    context: &'a Context,
    place: Place<'a>,
    pull: &'a PullRequest,
    written: &'a WrittenComment,
    /// The apps of the repo.
    own: &'a [AppRow],
    /// What the author may do, or why nothing is done.
    role: Result<Role, String>,
}

/// What came of a line.
struct Came {
    result: CommandResult,
    answer: String,
}

impl Given<'_> {
    async fn line(&self, line: &str, number: u64) -> Result<CommandRow, JobError> {
        let (context, Place { repo, comment, .. }) = (self.context, self.place);
        let known = context.store.commands_of(&repo.name, self.place.number).await?;
        let known = known.into_iter().find(|row| (row.comment, row.line) == (comment, number));
        if let Some(known) = known.as_ref().filter(|row| row.result != CommandResult::Begun) {
            return Ok(known.clone());
        }
        let mut row = CommandRow {
            repo: repo.name.as_str().to_owned(),
            number: self.place.number,
            comment,
            line: number,
            at: self.written.created.as_millisecond(),
            who: self.written.author.login.clone(),
            who_id: self.written.author.id.clone(),
            command: line.chars().take(200).collect(),
            result: CommandResult::Begun,
            answer: String::new(),
        };
        context.store.put_command(&row).await?;
        let Came { result, answer } = self.judge(line, known.is_some()).await?;
        tracing::info!(repo = %repo.name, number = self.place.number, who = row.who, who_id = row.who_id,
            command = row.command, result = ?result, "a command was given in a comment");
        (row.result, row.answer) = (result, answer);
        context.store.put_command(&row).await?;
        Ok(row)
    }

    /// `again`: the process was stopped while it was carried out.
    async fn judge(&self, line: &str, again: bool) -> Result<Came, JobError> {
        let refused = |answer: String| Came { result: CommandResult::Refused, answer };
        let role = match &self.role {
            Ok(role) => *role,
            Err(why) => return Ok(refused(why.clone())),
        };
        let apps: Vec<AppId> = self.own.iter().map(|row| row.app.id.clone()).collect();
        let permissions = &self.context.config.commands;
        // Who may not even ask is not told what there is.
        if !permissions.allows(Verb::Help, role) {
            return Ok(refused("only members of the project may give commands".to_owned()));
        }
        let command = match command::parse(line, Known { repo: &self.place.repo.name, apps: &apps }) {
            Ok(command) => command,
            Err(mistake) => {
                let answer = format!("{mistake}. `{NAME} help` lists the commands");
                return Ok(Came { result: CommandResult::Mistaken, answer });
            }
        };
        if !permissions.allows(command.verb, role) {
            return Ok(refused(match permissions.least(command.verb) {
                Some(least) => {
                    format!("`{}` needs the role {}, and yours is {}", command.verb.word(), least.word(), role.word())
                }
                None => format!("the configuration of Driftless lets nobody `{}`", command.verb.word()),
            }));
        }
        Ok(match self.carry_out(&command, again).await? {
            Ok(answer) => Came { result: CommandResult::Done, answer },
            Err(why) => refused(why),
        })
    }

    async fn carry_out(&self, command: &Command, again: bool) -> Result<Answer, JobError> {
        let (context, place) = (self.context, self.place);
        match command.verb {
            Verb::Help => return Ok(Ok(self.help())),
            Verb::Preview => return self.preview().await,
            _ => {}
        }
        let apps = self.apps(command).await?;
        if apps.is_empty() {
            return Ok(Err("it changes no app of this repo; name the apps".to_owned()));
        }
        match command.verb {
            Verb::Approve => {
                let ids: Vec<AppId> = apps.iter().map(|row| row.app.id.clone()).collect();
                approve::approve(context, place, self.pull, &ids, self.written).await
            }
            Verb::Unapprove => {
                let ids: Vec<AppId> = apps.iter().map(|row| row.app.id.clone()).collect();
                approve::unapprove(context, place, &ids).await
            }
            Verb::Sync => self.sync(&apps).await,
            Verb::Pause => self.pause(&apps, command).await,
            _ => self.resume(&apps, again).await,
        }
    }

    /// Those that are named, or those that the pull request changes.
    async fn apps(&self, command: &Command) -> Result<Vec<&AppRow>, JobError> {
        let named = if command.apps.is_empty() {
            let row = self.context.store.pull(&self.place.repo.name, self.place.number).await?;
            row.map(|row| row.apps).unwrap_or_default()
        } else {
            command.apps.clone()
        };
        Ok(self.own.iter().filter(|row| named.contains(&row.app.id)).collect())
    }

    fn by(&self) -> String {
        format!("{} on {}#{}", self.written.author.login, self.place.repo.name, self.place.number)
    }

    fn help(&self) -> String {
        let may = Verb::ALL.into_iter().filter_map(|verb| {
            let least = self.context.config.commands.least(verb)?;
            let (usage, what) = verb.usage();
            Some(format!("\n  - `{NAME} {usage}` {what} (role: {})", least.word()))
        });
        format!("each command is a line of its own{}", may.collect::<String>())
    }

    async fn preview(&self) -> Result<Answer, JobError> {
        let Place { repo, number, .. } = self.place;
        let key = Key::Preview { repo: repo.name.clone(), number };
        let cause = Trigger::Manual(Manual { by: self.by(), ..Manual::default() });
        self.context.queue.enqueue(&[Request::new(key, cause)]).await?;
        Ok(Ok("the preview is made again".to_owned()))
    }

    async fn sync(&self, apps: &[&AppRow]) -> Result<Answer, JobError> {
        if let Some(why) = apps.iter().find_map(|row| by_hand::not_synced(row, false)) {
            return Ok(Err(why));
        }
        for row in apps {
            let manual = Manual { by: self.by(), ..Manual::default() };
            by_hand::sync(&self.context.queue, &row.app.id, manual).await?;
        }
        Ok(Ok(format!("{} being synced", are(apps))))
    }

    async fn pause(&self, apps: &[&AppRow], command: &Command) -> Result<Answer, JobError> {
        if let Some(why) = apps.iter().find_map(|row| by_hand::not_paused(row)) {
            return Ok(Err(why));
        }
        let until = command.pause.lasts.map(|lasts| self.context.clock.now() + lasts);
        let note =
            PauseNote { until: until.map(jiff::Timestamp::as_millisecond), reason: command.pause.reason.clone() };
        for row in apps {
            self.context.store.pause(&row.app.id, &self.by(), &note).await?;
        }
        let until = until.map_or_else(
            || "until `/driftless resume`".to_owned(),
            |until| format!("until {}", until.strftime("%Y-%m-%d %H:%M UTC")),
        );
        Ok(Ok(format!("{} paused {until}", are(apps))))
    }

    async fn resume(&self, apps: &[&AppRow], again: bool) -> Result<Answer, JobError> {
        let mut said = Vec::new();
        for row in apps {
            // The pause may be what this very command has ended: then the pin is not meant.
            if again && !row.paused {
                continue;
            }
            let app = &row.app.id;
            let resumed = by_hand::resume(&self.context.store, &self.context.queue, app, &self.by()).await?;
            said.extend(resumed.map(|resumed| match resumed {
                Resumed::Pause => format!("`{}` is no longer paused", app.name),
                Resumed::Pin => format!("`{}` is no longer pinned", app.name),
            }));
        }
        if said.is_empty() && !again {
            return Ok(Err(format!("{} neither paused nor pinned", are(apps))));
        }
        Ok(Ok(said.join(", ")))
    }
}

/// The apps, as the subject of a sentence.
fn are(apps: &[&AppRow]) -> String {
    const NAMED: usize = 5;
    match apps {
        [one] => format!("`{}` is", one.app.id.name),
        few if few.len() <= NAMED => {
            let names: Vec<String> = few.iter().map(|row| format!("`{}`", row.app.id.name)).collect();
            format!("{} are", names.join(", "))
        }
        many => format!("{} are", count(many.len(), "app")),
    }
}
