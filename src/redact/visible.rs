//! Replaces invisible characters with visible ones: different texts must not look the same.

use std::fmt::Write as _;

/// What a reader does not see, or takes for something else: the class `Default_Ignorable_Code_Point` of Unicode 16,
/// what turns the direction of writing (CVE-2021-42574), what is blank without being a space, and the marks of
/// interlinear notes. <https://www.unicode.org/Public/16.0.0/ucd/DerivedCoreProperties.txt>
const UNSEEN: [(char, char); 26] = [
    ('\u{a0}', '\u{a0}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{2000}', '\u{200f}'),
    ('\u{2028}', '\u{202f}'),
    ('\u{205f}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{f0000}', '\u{ffffd}'),
    ('\u{100000}', '\u{10fffd}'),
];

fn is_unseen(c: char) -> bool {
    c.is_control() || c >= UNSEEN[0].0 && UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Appends a character as it is, or as its number where nobody could see it.
pub fn push_visible(out: &mut String, c: char) {
    if is_unseen(c) {
        // Writing to a string does not fail.
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

/// A text of several lines, for a terminal: what would move its cursor or hide what it says is written out.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c => push_visible(&mut out, c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: each of them, and whatever else is of the class, makes a line look other than without it.
    #[test]
    fn what_cannot_be_seen_is_written_out() {
        let listed = "\u{ad}\u{34f}\u{115f}\u{3164}\u{ffa0}\u{180b}\u{180c}\u{180d}\u{180e}\u{180f}\u{2800}\u{fe0f}\u{fff9}\u{fffa}\u{fffb}\u{e0001}\u{e007f}\u{e0100}\u{e01ef}\u{200b}\u{202e}\u{2066}\u{feff}\u{a0}\u{2003}\u{3000}\u{2028}\u{85}\u{1b}";
        for c in listed.chars() {
            let shown = visible(&format!("a{c}b"));
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        let ranges = [
            (0xad, 0xad),
            (0x34f, 0x34f),
            (0x61c, 0x61c),
            (0x115f, 0x1160),
            (0x17b4, 0x17b5),
            (0x180b, 0x180f),
            (0x200b, 0x200f),
            (0x202a, 0x202e),
            (0x2060, 0x206f),
            (0x3164, 0x3164),
            (0xfe00, 0xfe0f),
            (0xfeff, 0xfeff),
            (0xffa0, 0xffa0),
            (0xfff0, 0xfff8),
            (0x1bca0, 0x1bca3),
            (0x1d173, 0x1d17a),
            (0xe0000, 0xe0fff),
        ];
        for c in ranges.into_iter().flat_map(|(first, last)| first..=last).filter_map(char::from_u32) {
            assert!(is_unseen(c), "U+{:04X} is of Default_Ignorable_Code_Point", u32::from(c));
        }
    }

    #[test]
    fn what_can_be_seen_stays() {
        let text = "plain äöü é 漢字 한글 العربية हिन्दी 🚀 a\tb\nc";
        assert_eq!(visible(text), text);
    }

    /// P7: every white space that is no space, line end or tab.
    #[test]
    fn another_blank_is_not_taken_for_a_space() {
        for c in ('\u{80}'..='\u{ffff}').filter(|c| c.is_whitespace()) {
            assert!(is_unseen(c), "U+{:04X}", u32::from(c));
        }
    }
}
