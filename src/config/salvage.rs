//! Removes the invalid parts of a file, so that the rest can be checked too and all errors are reported together.

use super::structure;
use super::types::Problem;
use crate::yaml::{self, Document, Node, Spanned};

/// What is taken out may leave something without what it needs, which is taken out then: so often at most.
const ROUNDS: usize = 50;

/// The text with empty lines where something has not its form; None where nothing can be told apart.
pub(super) fn without(document: Document<'_>, faults: &[Problem]) -> Option<String> {
    let mut lines: Vec<&str> = document.text.lines().collect();
    let mut faults = faults.to_vec();
    for _ in 0..ROUNDS {
        for fault in &faults {
            let at = usize::try_from(fault.line.checked_sub(document.first_line + 1)?).ok()?;
            take_out(&mut lines, at)?;
        }
        let text = lines.join("\n");
        let nodes: Spanned<Node> = yaml::parse(Document { text: &text, ..document }).ok()?;
        faults = structure::faults(&nodes);
        if faults.is_empty() {
            return Some(text);
        }
    }
    None
}

/// Takes out a line and all that belongs to it: what is deeper, and the list below a key, which may be as deep as its
/// key.
fn take_out(lines: &mut [&str], at: usize) -> Option<()> {
    // Several faults may have one place.
    let first = *lines.get(at)?;
    if first.is_empty() {
        return Some(());
    }
    let depth = depth(first);
    let is_entry = is_entry(first);
    lines[at] = "";
    for line in lines.iter_mut().skip(at + 1) {
        let is_below = line.trim().is_empty()
            || self::depth(line) > depth
            || (self::depth(line) == depth && !is_entry && self::is_entry(line));
        if !is_below {
            break;
        }
        *line = "";
    }
    Some(())
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_entry(line: &str) -> bool {
    let line = line.trim_start();
    line == "-" || line.starts_with("- ")
}
