//! Finds any of very many texts in another one, whatever the case of their letters.
//!
//! An automaton takes some hundred bytes for each byte that it searches for. Here it is the texts themselves, in order,
//! and an index over how they begin: what begins at a place of a text is the last one in order that is not beyond it,
//! or the beginning of that one. So a search takes time by the length of the text alone, whatever there is to find.

use std::collections::HashMap;

/// Bytes of all texts together that are searched for, and their number. With the index they take 80 MB at most.
const MOST_BYTES: usize = 16 << 20;
const MOST: usize = 600_000;
/// Longer texts are searched for in pieces, all of which are found where the whole stands: what is compared at a place
/// has an end.
const PIECE: usize = 256;
/// Bytes by which the index knows how the longer texts begin, and the shorter ones.
const LONG: usize = 8;
const SHORT: usize = 4;
const NONE: u32 = u32::MAX;

/// How far a match reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// It counts where no letter or digit is beside it.
    Alone,
    Anywhere,
    /// It stands for the whole run of characters that an encoded or cut value consists of.
    Run,
}

/// Texts to search for, one after another.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    all: Vec<Text>,
    is_full: bool,
}

#[derive(Clone, Copy)]
struct Text {
    start: u32,
    len: u32,
    how: How,
}

impl Texts {
    /// Takes a text up.
    pub fn push(&mut self, text: &str, how: How) {
        let mut start = 0;
        while text.len() - start > PIECE {
            let end = text.floor_char_boundary(start + PIECE);
            self.push_piece(&text[start..end], how);
            start = end;
        }
        // The last one is a whole one, too, as the end alone may be found by chance.
        let from = if start == 0 { 0 } else { text.ceil_char_boundary(text.len() - PIECE) };
        self.push_piece(&text[from..], how);
    }

    fn push_piece(&mut self, text: &str, how: How) {
        if text.len() < SHORT || self.is_full {
            return;
        }
        if self.bytes.len() + text.len() > MOST_BYTES || self.all.len() == MOST {
            *self = Self { is_full: true, ..Self::default() };
            return;
        }
        let at = |place: usize| u32::try_from(place).unwrap_or(NONE);
        self.all.push(Text { start: at(self.bytes.len()), len: at(text.len()), how });
        self.bytes.extend(text.bytes().map(|byte| byte.to_ascii_lowercase()));
    }

    /// There is more than can be searched for.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether less than three quarters of what can be searched for are taken up: what is only a part of a value is no
    /// reason to withhold everything.
    pub fn has_room(&self) -> bool {
        !self.is_full && self.bytes.len() < MOST_BYTES / 4 * 3 && self.all.len() < MOST / 4 * 3
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn of(&self, text: Text) -> &[u8] {
        &self.bytes[text.start as usize..][..text.len as usize]
    }

    #[cfg(test)]
    pub fn strings(&self) -> Vec<String> {
        self.all.iter().map(|text| String::from_utf8_lossy(self.of(*text)).into_owned()).collect()
    }
}

/// The index.
pub(super) struct Search {
    texts: Texts,
    nodes: Vec<Node>,
    long: HashMap<u64, (u32, u32)>,
    short: HashMap<u32, (u32, u32)>,
}

/// A text among those that begin like it.
struct Node {
    text: Text,
    /// The longest other text with which this one begins.
    parent: u32,
    /// One further up, so that a long chain is climbed in few steps.
    jump: u32,
    depth: u32,
    /// Whether this one or one with which it begins stands for the whole run.
    runs: bool,
}

/// What begins at a place.
pub(super) struct Begins {
    /// The length and kind of each, the longest first, up to the first that covers all shorter ones.
    pub found: Vec<(usize, How)>,
    /// Whether any of them stands for its whole run.
    pub runs: bool,
}

impl Search {
    pub fn new(mut texts: Texts) -> Self {
        let mut all = std::mem::take(&mut texts.all);
        all.sort_unstable_by(|a, b| texts.of(*a).cmp(texts.of(*b)).then(b.how.cmp(&a.how)));
        // Of equal ones the first reaches farthest.
        all.dedup_by(|next, first| texts.of(*next) == texts.of(*first));
        all.shrink_to_fit();
        let mut search =
            Self { texts, nodes: Vec::with_capacity(all.len()), long: HashMap::new(), short: HashMap::new() };
        let mut open: Vec<u32> = Vec::new();
        for (place, text) in (0u32..).zip(all) {
            let bytes = search.texts.of(text);
            while open.last().is_some_and(|last| !bytes.starts_with(search.texts.of(search.nodes[*last as usize].text)))
            {
                open.pop();
            }
            let parent = open.last().copied().unwrap_or(NONE);
            let of_long = bytes.first_chunk::<LONG>().map(|begin| u64::from_ne_bytes(*begin));
            let of_short = bytes.first_chunk::<SHORT>().map(|begin| u32::from_ne_bytes(*begin));
            match (of_long, of_short) {
                (Some(begin), _) => search.long.entry(begin).or_insert((place, place)).1 = place,
                (None, Some(begin)) => search.short.entry(begin).or_insert((place, place)).1 = place,
                (None, None) => {}
            }
            search.add(text, parent);
            open.push(place);
        }
        search
    }

    fn add(&mut self, text: Text, parent: u32) {
        let own = text.how == How::Run;
        let node = match self.nodes.get(parent as usize) {
            None => Node { text, parent: NONE, jump: NONE, depth: 0, runs: own },
            Some(up) => {
                let far = self.nodes.get(up.jump as usize);
                let beyond = far.and_then(|far| self.nodes.get(far.jump as usize));
                let jump = match (far, beyond) {
                    (Some(far), Some(beyond)) if up.depth - far.depth == far.depth - beyond.depth => far.jump,
                    _ => parent,
                };
                Node { text, parent, jump, depth: up.depth + 1, runs: own || up.runs }
            }
        };
        self.nodes.push(node);
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The texts that begin where `rest` does, whose letters are lower-case.
    pub fn begins(&self, rest: &[u8]) -> Begins {
        let mut begins = Begins { found: Vec::new(), runs: false };
        let range = |begin: Option<&(u32, u32)>| begin.copied();
        if let Some(range) = rest.first_chunk().and_then(|begin| range(self.long.get(&u64::from_ne_bytes(*begin)))) {
            self.within(range, rest, &mut begins);
        }
        // What covers a longer text covers the shorter ones of the same place, but for those that count where they
        // stand alone.
        if let Some(range) = rest.first_chunk().and_then(|begin| range(self.short.get(&u32::from_ne_bytes(*begin)))) {
            self.within(range, rest, &mut begins);
        }
        begins
    }

    fn within(&self, (first, last): (u32, u32), rest: &[u8], begins: &mut Begins) {
        let nodes = &self.nodes[first as usize..=last as usize];
        let after = nodes.partition_point(|node| self.texts.of(node.text) <= rest);
        let Some(mut node) = after.checked_sub(1).map(|at| &nodes[at]) else { return };
        let common = self.texts.of(node.text).iter().zip(rest).take_while(|(a, b)| a == b).count();
        while node.text.len as usize > common {
            let far = self.nodes.get(node.jump as usize).filter(|far| far.text.len as usize > common);
            let Some(up) = far.or_else(|| self.nodes.get(node.parent as usize)) else { return };
            node = up;
        }
        begins.runs |= node.runs;
        loop {
            begins.found.push((node.text.len as usize, node.text.how));
            match self.nodes.get(node.parent as usize) {
                Some(up) if node.text.how == How::Alone => node = up,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(texts: &[String]) -> Search {
        let mut all = Texts::default();
        for text in texts {
            all.push(text, How::Anywhere);
        }
        Search::new(all)
    }

    proptest! {
        /// The longest text that begins at a place is found there, and nothing else is.
        #[test]
        fn what_begins_at_a_place_is_found(texts in proptest::collection::vec("[ab]{4,12}", 0..40),
            rest in "[ab]{0,16}") {
            let longest = texts.iter().filter(|text| rest.starts_with(text.as_str())).map(String::len).max();
            let begins = search(&texts).begins(rest.as_bytes());
            prop_assert_eq!(begins.found.iter().map(|(len, _)| *len).max(), longest);
            prop_assert!(begins.found.iter().all(|(len, _)| texts.iter().any(|text| text.as_str() == &rest[..*len])));
        }
    }

    /// X10+: texts that all begin alike, or each with the one before, take no more time than others.
    #[test]
    fn a_search_takes_time_by_the_text_alone() {
        let nested: Vec<String> = (4..2000).map(|len| "a".repeat(len)).collect();
        let alike: Vec<String> = (0..50_000).map(|number| format!("a-long-beginning-{number:05}")).collect();
        let text = format!("{}b", "a".repeat(1999)).repeat(20);
        for (texts, text) in [(nested, text), (alike, "a-long-beginning-".repeat(2_000))] {
            let search = search(&texts);
            let started = std::time::Instant::now();
            let found = (0..text.len()).filter(|at| !search.begins(&text.as_bytes()[*at..]).found.is_empty()).count();
            assert!(started.elapsed().as_secs() < 5, "{found} in {:?}", started.elapsed());
        }
    }

    #[test]
    fn what_is_too_much_is_said_to_be() {
        let mut texts = Texts::default();
        let text = "x".repeat(1 << 20);
        for number in 0..17 {
            texts.push(&format!("{number}{text}"), How::Anywhere);
        }
        assert!(texts.is_full() && texts.len() == 0 && texts.bytes.capacity() == 0, "nothing of it is kept");
    }
}
