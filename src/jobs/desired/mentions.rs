//! The words in the files that an app is rendered from.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::app::App;
use crate::jobs::context::blocking;
use crate::queue::JobError;
use crate::trace::{Asked, Trace};
use crate::tree::{Tree, TreeError};

/// Larger files are no templates, and have what any other may have.
const LARGEST: u64 = 1024 * 1024;

/// Those of the words that the app's definition or any file has that its render read. A file that is too large has them
/// all.
pub(in crate::jobs) async fn of(
    app: &App,
    tree: Arc<dyn Tree>,
    trace: Trace,
    words: BTreeSet<String>,
) -> Result<BTreeSet<String>, JobError> {
    let definition = serde_json::to_string(app).unwrap_or_default();
    Ok(blocking(move || in_files(&definition, tree.as_ref(), &trace, words)).await??)
}

fn in_files(
    definition: &str,
    tree: &dyn Tree,
    trace: &Trace,
    words: BTreeSet<String>,
) -> Result<BTreeSet<String>, TreeError> {
    let (mut found, mut left): (BTreeSet<String>, BTreeSet<String>) =
        words.into_iter().partition(|word| definition.contains(word));
    for (_, asked) in trace.iter() {
        if left.is_empty() {
            break;
        }
        let Asked::Read { id, .. } = asked else { continue };
        if tree.size(id)? > LARGEST {
            found.append(&mut left);
            break;
        }
        let blob = tree.blob(id)?;
        let text = String::from_utf8_lossy(&blob);
        found.extend(left.iter().filter(|word| text.contains(word.as_str())).cloned());
        left.retain(|word| !found.contains(word));
    }
    Ok(found)
}
