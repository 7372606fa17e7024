//! How results and errors look. The only place that prints.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ContentArrangement, Table};
use serde::Serialize;

use crate::redact::visible;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
}

/// Whether a result could not be written, and not because its reader had read enough.
static LOST: AtomicBool = AtomicBool::new(false);

pub(super) fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush());
    match written {
        Ok(()) => {}
        // `driftless runs | head` has what it wants.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            if !LOST.swap(true, Ordering::Relaxed) {
                note(format!("the result could not be written: {error}"));
            }
        }
    }
}

/// Whether all results were written, as far as anybody read them.
pub(super) fn is_complete() -> bool {
    !LOST.load(Ordering::Relaxed)
}

/// Progress and advice: apart from the result, so that the result can be piped. Nobody may be there to read it.
pub(super) fn note(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

pub(super) fn error(error: &anyhow::Error) {
    let mut said = visible(&error.to_string());
    note(format!("{} {said}", paint("error:", "1;31", std::io::stderr().is_terminal())));
    for cause in error.chain().skip(1).map(|cause| visible(&cause.to_string())) {
        // Many errors already say what their source says.
        if !said.contains(&cause) {
            note(format!("  because {cause}"));
            said.push_str(&cause);
        }
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

#[cfg(feature = "dev")]
pub(super) fn bold(text: &str) -> String {
    paint(text, "1", std::io::stderr().is_terminal())
}

fn paint(text: &str, code: &str, terminal: bool) -> String {
    if terminal { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Columns without lines around them, as `kubectl` prints.
pub(super) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    // A column that says nothing in any row is left out.
    let says = |column: usize| rows.is_empty() || rows.iter().any(|row| !row[column].is_empty());
    let kept = |(column, text)| says(column).then_some(text);
    let header = header.into_iter().enumerate().filter_map(kept);
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for row in &rows {
        table.add_row(row.iter().enumerate().filter(|(column, _)| says(*column)).map(|(_, text)| cell(text)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// States are coloured on a terminal; the table leaves colours out anywhere else.
fn cell(text: &str) -> Cell {
    let colour = match text {
        "failed" | "missing" | "invalid" | "degraded" => Some(Color::Red),
        "waiting" | "pending" | "paused" | "pinned" | "out-of-sync" | "progressing" | "suspended" | "unknown" => {
            Some(Color::Yellow)
        }
        "synced" | "succeeded" | "healthy" => Some(Color::Green),
        _ => None,
    };
    let cell = Cell::new(visible(text));
    match colour {
        Some(colour) => cell.fg(colour),
        None => cell,
    }
}
