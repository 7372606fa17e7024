//! Splits blocks into parts, each of which is complete in itself and short enough for a forge.

use super::escape;
use super::long::{self, LONGEST_LINE};
use crate::forge::Flavour;
use crate::report::words::count;

/// What a comment has besides the text, in units of UTF-16: the marker and our own lines.
const RESERVED: usize = 1_024;

/// One piece of the comment.
#[derive(Debug, Clone)]
pub(super) enum Block {
    /// Lines of Markdown that each stand for themselves.
    Lines(String),
    /// A table: its head (two lines) and its rows.
    Table { head: String, rows: Vec<String> },
    /// Something to unfold: a summary in HTML, notes in Markdown, a text in a fence.
    Fold(Fold),
}

#[derive(Debug, Clone)]
pub(super) struct Fold {
    pub summary: String,
    pub notes: String,
    pub language: &'static str,
    pub text: String,
    /// It is unfolded from the start.
    pub open: bool,
}

impl Fold {
    pub(super) fn new(summary: String, language: &'static str, text: &str) -> Self {
        Self { summary, notes: String::new(), language, text: text.to_owned(), open: false }
    }

    pub(super) fn with_notes(self, notes: String) -> Self {
        Self { notes, ..self }
    }

    /// Unfolded from the start, if it is short.
    pub(super) fn opened(self, if_so: bool) -> Self {
        let is_short = self.text.len() <= SHORT && self.text.lines().count() <= SHORT_LINES;
        Self { open: if_so && is_short, ..self }
    }
}

/// What is unfolded must not push the rest out of sight.
const SHORT: usize = 2_000;
const SHORT_LINES: usize = 25;

/// How many comments the head and the tail may fill, besides what must be in them. Thousands of objects that are all
/// refused for one reason would fill hundreds of comments.
const HEAD: usize = 3;
const TAIL: usize = 2;

/// What the comment says: a head and a tail that are in it as far as there is room, and between them what comes last
/// and may be left to the command line.
#[derive(Debug)]
pub(super) struct Document {
    /// The forge's word for a pull request.
    pub(super) pull_request: &'static str,
    /// The longest part, in units of UTF-16.
    limit: usize,
    head: Vec<Head>,
    may: Vec<May>,
    tail: Vec<Block>,
}

/// In units of UTF-16.
pub(super) fn size(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

#[derive(Debug)]
struct May {
    heading: String,
    name: String,
    block: Block,
}

#[derive(Debug, Clone)]
struct Head {
    block: Block,
    /// It is complete, whatever its size.
    must: bool,
}

impl Document {
    pub(super) fn new(flavour: &Flavour) -> Self {
        let (pull_request, limit) = (flavour.pull_request, flavour.comment_limit - RESERVED);
        Self { pull_request, limit, head: Vec::new(), may: Vec::new(), tail: Vec::new() }
    }

    /// What is always complete.
    pub(super) fn must(&mut self, block: Block) {
        self.head.push(Head { block, must: true });
    }

    pub(super) fn head(&mut self, block: Block) {
        self.head.push(Head { block, must: false });
    }

    pub(super) fn head_all(&mut self, blocks: impl IntoIterator<Item = Block>) {
        blocks.into_iter().for_each(|block| self.head(block));
    }

    /// Under a heading, which is repeated where a part begins. By its name it is listed where it has no room.
    pub(super) fn may(&mut self, heading: &str, name: &str, block: Block) {
        self.may.push(May { heading: heading.to_owned(), name: name.to_owned(), block });
    }

    pub(super) fn tail(&mut self, block: Block) {
        self.tail.push(block);
    }

    pub(super) fn parts(mut self, most: usize, command: Option<&str>) -> Vec<String> {
        if most == usize::MAX {
            return self.pack(most, command).0.finish();
        }
        let folds = self
            .head
            .iter_mut()
            .map(|head| &mut head.block)
            .chain(&mut self.tail)
            .chain(self.may.iter_mut().map(|may| &mut may.block));
        for block in folds {
            block.shorten();
        }
        let (packer, left) = self.pack(most, command);
        if left == 0 {
            return packer.finish();
        }
        // What takes more than this comes after the others.
        let large = self.limit / 4;
        // Not everything has room: then all are named first, and what would take the room of many others comes last.
        self.head.push(Head { block: names(&self.may, self.limit / 2), must: true });
        self.may.sort_by_key(|may| may.block.size() > large);
        self.pack(most, command).0.finish()
    }

    fn pack(&self, most: usize, command: Option<&str>) -> (Packer, usize) {
        let (limit, bounded) = (self.limit, most < usize::MAX);
        let head = trimmed(self.head.clone(), if bounded { HEAD * limit } else { usize::MAX }, command);
        let tail_blocks = self.tail.iter().map(|block| Head { block: block.clone(), must: false }).collect();
        let tail_blocks = trimmed(tail_blocks, if bounded { TAIL * limit } else { usize::MAX }, command);
        let mut packer = Packer { limit, parts: vec![String::new()], heading: None };
        packer.must(&head);
        let tail: usize = tail_blocks.iter().flat_map(|block| block.pieces(limit)).map(|piece| size(&piece) + 2).sum();
        // The tail needs so many parts of its own, and this much of the last one that it shares.
        let (own, shared) = if tail <= limit / 2 { (0, tail) } else { (tail / (limit / 2) + 1, 0) };
        let bounds = Bounds { parts: most.saturating_sub(own), last: limit - shared };
        let mut left = 0;
        for May { heading, block, .. } in &self.may {
            let room = packer.room().min(bounds.last) - size(heading) - 2;
            // Once something is left out all that follows is, so that what is shown has no holes.
            let fits = left == 0 && block.pieces(room).iter().all(|piece| packer.add(piece, Some(heading), bounds));
            left += usize::from(!fits);
        }
        packer.left_out(left, command);
        packer.must(&tail_blocks);
        (packer, left)
    }
}

/// The names of all that changes, as far as one part has room for them.
fn names(all: &[May], room: usize) -> Block {
    let mut used = 0;
    let listed: Vec<&str> = all
        .iter()
        .map(|may| may.name.as_str())
        .take_while(|name| {
            used += size(name) + 1;
            used < room
        })
        .collect();
    let mut text = listed.join("\n");
    if listed.len() < all.len() {
        text.push_str(&format!("\nand {} more", all.len() - listed.len()));
    }
    Block::Fold(Fold::new(format!("All {} that change", count(all.len(), "object")), "text", &text))
}

fn missing(left: usize, what: &str, command: Option<&str>) -> String {
    let how = command.map(|command| format!(" {} prints everything.", escape::span(command))).unwrap_or_default();
    format!("**{} not shown here.**{how}", count(left, what))
}

/// The blocks up to a size, in their order, and then how many things are missing. Those that must be there are, and do
/// not count.
fn trimmed(blocks: Vec<Head>, most: usize, command: Option<&str>) -> Vec<Block> {
    let (mut kept, mut used, mut left) = (Vec::new(), 0, 0);
    for Head { block, must } in blocks {
        let room = most.saturating_sub(used);
        let size = block.size();
        if must || (left == 0 && size <= room) {
            used += if must { 0 } else { size };
            kept.push(block);
            continue;
        }
        let (part, more) = if left == 0 { block.split(room) } else { (None, block.things()) };
        kept.extend(part);
        left += more;
    }
    if left > 0 {
        kept.push(Block::Lines(missing(left, "more thing", command)));
    }
    kept
}

/// How far what may be left out may go.
#[derive(Clone, Copy)]
struct Bounds {
    parts: usize,
    /// The size of the last of these parts.
    last: usize,
}

struct Packer {
    limit: usize,
    parts: Vec<String>,
    heading: Option<String>,
}

impl Packer {
    /// The size of pieces that fill the parts well: what is left of the last one, unless that is little.
    fn room(&self) -> usize {
        let used = self.parts.last().map_or(0, |part| size(part) + 2);
        if used < self.limit / 4 { self.limit - used } else { self.limit }
    }

    fn must(&mut self, blocks: &[Block]) {
        let bounds = Bounds { parts: usize::MAX, last: self.limit };
        for block in blocks {
            for piece in block.pieces(self.room()) {
                self.add(&piece, None, bounds);
            }
        }
    }

    /// Appends to the last part, or begins another. False if it may do neither.
    fn add(&mut self, piece: &str, heading: Option<&str>, bounds: Bounds) -> bool {
        let parts = self.parts.len();
        let limit = if parts >= bounds.parts { bounds.last } else { self.limit };
        let Some(last) = self.parts.last_mut().filter(|_| parts <= bounds.parts) else { return false };
        let headed = match heading {
            Some(heading) if self.heading.as_deref() != Some(heading) => format!("{heading}\n\n{piece}"),
            _ => piece.to_owned(),
        };
        if last.is_empty() {
            *last = headed;
        } else if size(last) + 2 + size(&headed) <= limit {
            last.push_str("\n\n");
            last.push_str(&headed);
        } else if parts < bounds.parts {
            self.parts.push(heading.map_or_else(|| piece.to_owned(), |heading| format!("{heading}\n\n{piece}")));
        } else {
            return false;
        }
        self.heading = heading.map(str::to_owned);
        true
    }

    /// Says what is missing; there is room for this line beyond the limit.
    fn left_out(&mut self, left: usize, command: Option<&str>) {
        if let Some(last) = self.parts.last_mut().filter(|_| left > 0) {
            last.push_str("\n\n");
            last.push_str(&missing(left, "more object", command));
        }
    }

    fn finish(mut self) -> Vec<String> {
        let total = self.parts.len();
        for (index, part) in self.parts.iter_mut().enumerate().skip(1) {
            *part = format!("Part {} of {total}, continued from above.\n\n{part}", index + 1);
        }
        self.parts
    }
}

impl Block {
    /// Cuts lines that are too long for a comment.
    fn shorten(&mut self) {
        if let Self::Fold(fold) = self {
            fold.text = long::shorten(&fold.text);
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Lines(text) => size(text),
            Self::Table { head, rows } => size(head) + rows.iter().map(|row| size(row) + 1).sum::<usize>(),
            Self::Fold(Fold { summary, notes, text, .. }) => size(summary) + size(notes) + size(text) + 100,
        }
    }

    /// How many things a reader misses without it.
    fn things(&self) -> usize {
        match self {
            Self::Lines(text) => text.lines().count(),
            Self::Table { rows, .. } => rows.len(),
            Self::Fold(_) => 1,
        }
    }

    /// As many of its lines as there is room for, and how many things are left out.
    fn split(self, room: usize) -> (Option<Self>, usize) {
        let Self::Lines(text) = &self else { return (None, self.things()) };
        let mut used = 0;
        let fit: Vec<&str> = text
            .lines()
            .take_while(|line| {
                used += size(line) + 1;
                used <= room
            })
            .collect();
        let left = self.things() - fit.len();
        ((!fit.is_empty()).then(|| Self::Lines(fit.join("\n"))), left)
    }

    /// Pieces that are not larger than `room` and whole in themselves.
    fn pieces(&self, room: usize) -> Vec<String> {
        match self {
            Self::Lines(text) => chunks(text.lines(), room).into_iter().map(|lines| lines.join("\n")).collect(),
            Self::Table { head, rows } => chunks(rows.iter().map(String::as_str), room - size(head) - 1)
                .into_iter()
                .map(|rows| format!("{head}\n{}", rows.join("\n")))
                .collect(),
            Self::Fold(fold) => pieces(fold, room),
        }
    }
}

fn pieces(Fold { summary, notes, language, text, open }: &Fold, room: usize) -> Vec<String> {
    let details = if *open { "<details open>" } else { "<details>" };
    let text: Vec<String> = escape::lines(text).lines().map(str::to_owned).collect();
    let fence = escape::fence(&text.join("\n"));
    let notes = if notes.is_empty() { String::new() } else { format!("{notes}\n\n") };
    let frame = size(summary) + size(&notes) + 2 * size(&fence) + size(language) + 120;
    let chunks = chunks(text.iter().map(String::as_str), room.saturating_sub(frame).max(LONGEST_LINE * 2));
    if text.is_empty() {
        return vec![format!("{details}<summary>{summary}</summary>\n\n{notes}</details>")];
    }
    let total = chunks.len();
    let piece = |(index, lines): (usize, Vec<&str>)| {
        let place = if total > 1 { format!(" ({} of {total})", index + 1) } else { String::new() };
        let notes = if index == 0 { notes.as_str() } else { "" };
        format!(
            "{details}<summary>{summary}{place}</summary>\n\n{notes}{fence}{language}\n{}\n{fence}\n\n</details>",
            lines.join("\n")
        )
    };
    chunks.into_iter().enumerate().map(piece).collect()
}

/// Runs of lines that have at most `room` together with their line breaks. A line that is larger alone is a chunk
/// alone.
fn chunks<'a>(lines: impl Iterator<Item = &'a str>, room: usize) -> Vec<Vec<&'a str>> {
    let mut chunks: Vec<Vec<&str>> = Vec::new();
    let mut used = 0;
    for line in lines {
        let needs = size(line) + 1;
        match chunks.last_mut() {
            Some(chunk) if used + needs <= room => {
                chunk.push(line);
                used += needs;
            }
            _ => {
                chunks.push(vec![line]);
                used = needs;
            }
        }
    }
    chunks
}
