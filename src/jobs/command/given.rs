//! The commands of a pull request as its comment shows them.

use jiff::Timestamp;

use crate::ids::RepoName;
use crate::jobs::Context;
use crate::queue::JobError;
use crate::report::given::{CameTo, Given};
use crate::store::commands::{CommandResult, CommandRow};

/// Those that have come to something, the oldest first.
pub(in crate::jobs) async fn given(context: &Context, repo: &RepoName, number: u64) -> Result<Vec<Given>, JobError> {
    Ok(context.store.commands_of(repo, number).await?.into_iter().filter_map(shown).collect())
}

fn shown(row: CommandRow) -> Option<Given> {
    let came_to = match row.result {
        CommandResult::Begun => return None,
        CommandResult::Done => CameTo::Done,
        CommandResult::Refused => CameTo::Refused,
        CommandResult::Mistaken => CameTo::Mistaken,
    };
    let at = Timestamp::from_millisecond(row.at).ok()?;
    Some(Given { at, who: row.who, command: row.command, came_to, answer: row.answer })
}
