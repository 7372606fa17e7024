//! The commit that removed a definition. Its file may contain other definitions, and may have been edited since.

use std::sync::Arc;

use crate::app::{App, parse_file};
use crate::config::Repo;
use crate::ids::Oid;
use crate::jobs::Context;
use crate::jobs::context::blocking;
use crate::queue::JobError;
use crate::tree::{Tree, TreeError};

/// So many changes of the file are looked at.
const CHANGES: usize = 50;
/// A file that is larger is not read once more.
const LARGEST: u64 = 4 << 20;

/// None where that is too long ago.
pub(in crate::jobs) async fn removed_by(
    context: &Context,
    repo: &Repo,
    app: &App,
    revision: &Oid,
) -> Result<Option<Oid>, JobError> {
    let mut at = revision.clone();
    for _ in 0..CHANGES {
        let Some(changed) = context.mirrors.last_change(&repo.name, &app.origin.file, &at).await? else { break };
        let parent = context.mirrors.parents(&repo.name, &changed).await?.into_iter().next();
        let Some(parent) = parent else { return Ok(Some(changed)) };
        let tree = context.mirrors.tree(&repo.name, &parent).await?;
        let (app, of) = (app.clone(), (repo.name.clone(), repo.definitions_ref.clone()));
        let had_it = blocking(move || -> Result<bool, TreeError> {
            let Some(text) = text(&tree, &app.origin.file)? else { return Ok(false) };
            Ok(parse_file(&of.0, &of.1, &app.origin.file, &text).apps.iter().any(|known| known.id == app.id))
        });
        if had_it.await?? {
            return Ok(Some(changed));
        }
        at = parent;
    }
    Ok(None)
}

fn text(tree: &Arc<dyn Tree>, file: &str) -> Result<Option<String>, TreeError> {
    let Some(entry) = tree.entry(file)? else { return Ok(None) };
    if tree.size(&entry.id)? > LARGEST {
        return Ok(None);
    }
    Ok(String::from_utf8(tree.blob(&entry.id)?).ok())
}
