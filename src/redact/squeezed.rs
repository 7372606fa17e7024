//! Values by their letters and digits alone. What templates put between them and how they escape the rest is without
//! end: entities, doubled signs, backslashes, blanks between bytes, any separator, no dashes. Without all that the text
//! and the value say the same. A part of a value is enough where no word or name has it by chance, as values are cut,
//! too. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::forms::is_common;
use super::pieces::{JOINS, SEPARATORS, is_address, is_code, is_packed, is_plain, wholes};
use super::search::{How, Texts};

/// Of a value so many letters and digits in a row are searched for.
const WINDOW: usize = 8;
/// A whole value is enough where it has so many of both.
const WHOLE: usize = 6;
/// Of an encoded one: a word in base64 is no word.
const ENCODED: usize = 12;
/// A value of figures alone is found by chance unless it has so many.
const FIGURES: usize = 12;
/// In a window that is no part of a word or a name letters and figures, or small and capital letters, change so often.
const CHANGES: usize = 3;
const DISTINCT: usize = 4;
/// Or it is in so many pieces.
const PIECES: usize = 5;
/// So much of the beginning and of the end of an encoded value is searched for.
const IN_PARTS: usize = 2048;
/// A value of several lines up to this length is no file.
const SHORT: usize = 256;
/// So many parts are searched for in all. Of more values than that allows for the parts are further apart.
const MOST: usize = 200_000;
const MOST_BYTES: usize = 4 << 20;
const DENSE: usize = 100_000;

/// The letters and digits of a text, with the place that each has in it.
#[derive(Default)]
pub(super) struct Squeezed {
    pub bytes: Vec<u8>,
    pub places: Vec<(usize, usize)>,
}

/// Reads escapes and drops everything but letters and digits. One escape within another is read as one, since the value
/// itself is read in the same way.
pub(super) fn squeeze(text: &str) -> Squeezed {
    let bytes = text.as_bytes();
    let mut squeezed = Squeezed::default();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (byte, len) = match rest[0] {
            b'\\' => backslash(rest),
            b'%' => percent(rest),
            b'&' => entity(rest),
            b'0' => figures(rest),
            byte => (Some(byte), 1),
        };
        if let Some(byte) = byte.filter(u8::is_ascii_alphanumeric) {
            squeezed.bytes.push(byte);
            squeezed.places.push((at, at + len));
        }
        at += len;
    }
    squeezed
}

/// The letters and digits as they are written: what looks like an escape may be a part of the value itself.
fn unread(text: &str) -> Squeezed {
    let letters = || text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric());
    Squeezed {
        bytes: letters().map(|(_, byte)| byte).collect(),
        places: letters().map(|(at, _)| (at, at + 1)).collect(),
    }
}

type Read = (Option<u8>, usize);

fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.chars().all(|char| char.is_digit(radix)))?;
    // What is no ASCII is no letter here.
    u32::from_str_radix(text, radix).ok().map(|code| u8::try_from(code).unwrap_or(0))
}

fn code(digits: Option<&[u8]>, radix: u32, len: usize) -> Option<Read> {
    Some((Some(number(digits?, radix)?), len))
}

/// `\n`, `\x41`, `\u0041`, `\101`, after any number of backslashes.
fn backslash(rest: &[u8]) -> Read {
    let signs = rest.iter().take_while(|byte| **byte == b'\\').count();
    let after = &rest[signs..];
    let read = match after.first() {
        Some(b'x') => code(after.get(1..3), 16, signs + 3),
        Some(b'u') => code(after.get(1..5), 16, signs + 5),
        Some(b'0'..=b'3') => code(after.get(..3), 8, signs + 3),
        Some(b'n' | b'r' | b't') => Some((None, signs + 1)),
        _ => None,
    };
    read.unwrap_or((None, signs))
}

/// `%41`, also where its `%` is written as `%25`.
fn percent(rest: &[u8]) -> Read {
    let mut signs = 1;
    while rest[signs..].starts_with(b"25") {
        signs += 2;
    }
    code(rest.get(signs..signs + 2), 16, signs + 2).unwrap_or((None, signs))
}

/// `&amp;`, `&#65;`, `&#x41;`, also where its `&` is written as `&amp;`.
fn entity(rest: &[u8]) -> Read {
    let mut signs = 1;
    while rest[signs..].starts_with(b"amp;") {
        signs += 4;
    }
    let after = &rest[signs..];
    for name in ["lt;", "gt;", "quot;", "apos;", "nbsp;"] {
        if after.starts_with(name.as_bytes()) {
            return (None, signs + name.len());
        }
    }
    let end = after.iter().take(8).position(|byte| *byte == b';');
    let read = end.filter(|_| after.starts_with(b"#")).and_then(|end| match after[1] {
        b'x' | b'X' => code(after.get(2..end), 16, signs + end + 1),
        _ => code(after.get(1..end), 10, signs + end + 1),
    });
    read.unwrap_or((None, signs))
}

/// `0x41`, where it ends there.
fn figures(rest: &[u8]) -> Read {
    let is_alone = rest.get(4).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let read = matches!(rest.get(1), Some(b'x' | b'X')).then(|| code(rest.get(2..4), 16, 4)).flatten();
    read.filter(|_| is_alone).unwrap_or((Some(b'0'), 1))
}

/// What is searched for of these values. `is_name` tells what names an object: that is shown anyway.
pub(super) fn of(values: &[Vec<u8>], is_name: &dyn Fn(&str) -> bool) -> Texts {
    let counts = |text: &str| !is_common(text.trim()) && !is_name(text.trim());
    let texts = || values.iter().filter_map(|value| std::str::from_utf8(value).ok()).filter(|text| counts(text));
    let total: usize = values.iter().map(Vec::len).sum();
    let step = 1 + total / DENSE;
    let mut all = Texts::default();
    for text in texts() {
        // Of a file its lines count, and their parts, and the file itself as one.
        let mut all_of_it: Vec<(String, usize)> = wholes(text)
            .into_iter()
            .filter(|whole| counts(whole))
            .map(|whole| {
                let is_line = is_packed(&whole) && text.trim().len() > whole.len();
                (whole, if is_line { 0 } else { step })
            })
            .collect();
        if text.trim().contains('\n') {
            all_of_it.push((text.to_owned(), if text.len() <= SHORT { step } else { 0 }));
        }
        for (whole, step) in all_of_it {
            let (read, written) = (squeeze(&whole), unread(&whole));
            if read.bytes != written.bytes {
                parts(&whole, &written, step, &mut all);
            }
            parts(&whole, &read, step, &mut all);
        }
    }
    // What is no text is searched for as it is encoded.
    let is_kept = |value: &&Vec<u8>| std::str::from_utf8(value).map_or(true, counts);
    for value in values.iter().filter(is_kept) {
        if has_room(&all) {
            encoded(value, step, &mut all);
        }
    }
    all
}

fn has_room(all: &Texts) -> bool {
    all.len() < MOST && all.bytes() < MOST_BYTES
}

/// A value as a whole, and the windows that say something about it. A `step` of 0 is for none of these.
fn parts(whole: &str, letters: &Squeezed, step: usize, all: &mut Texts) {
    let bytes = &letters.bytes;
    let has_letters = bytes.iter().any(u8::is_ascii_alphabetic);
    let is_mixed = has_letters && bytes.iter().any(u8::is_ascii_digit);
    let counts = bytes.len()
        >= if is_mixed {
            WHOLE
        } else if has_letters {
            WINDOW
        } else {
            FIGURES
        };
    if counts && is_varied(bytes) && has_room(all) {
        all.push(&String::from_utf8_lossy(bytes), How::Anywhere);
    }
    if step == 0 || bytes.len() < WINDOW {
        return;
    }
    let runs = runs(letters);
    let plain = plain(whole);
    let mut next_plain = plain.iter().peekable();
    for at in (0..=bytes.len() - WINDOW).step_by(step) {
        let (start, end) = (letters.places[at].0, letters.places[at + WINDOW - 1].1);
        while next_plain.peek().is_some_and(|range| range.1 <= start) {
            next_plain.next();
        }
        let is_plain = next_plain.peek().is_some_and(|range| range.0 < end);
        if !is_plain && has_room(all) && says_something(letters, &runs, at) {
            all.push(&String::from_utf8_lossy(&bytes[at..at + WINDOW]), How::Run);
        }
    }
}

fn is_varied(bytes: &[u8]) -> bool {
    let mut seen: Vec<u8> = Vec::new();
    for byte in bytes {
        if !seen.contains(byte) {
            seen.push(*byte);
        }
        if seen.len() == DISTINCT {
            return true;
        }
    }
    false
}

/// Letters and digits with nothing between them.
struct Run {
    end: usize,
    is_code: bool,
}

fn runs(letters: &Squeezed) -> Vec<Run> {
    let (bytes, places) = (&letters.bytes, &letters.places);
    let mut runs = Vec::new();
    let mut start = 0;
    for at in 1..=bytes.len() {
        if at == bytes.len() || places[at].0 != places[at - 1].1 {
            let text = String::from_utf8_lossy(&bytes[start..at]);
            runs.push(Run { end: at, is_code: is_code(&text) && !is_version(&text) });
            start = at;
        }
    }
    runs
}

/// `v1alpha1`
fn is_version(run: &str) -> bool {
    let is_figure = |char: char| char.is_ascii_digit();
    let rest = run.strip_prefix(['v', 'V']).unwrap_or(run).trim_matches(is_figure).to_ascii_lowercase();
    ["alpha", "beta", "rc"].contains(&rest.as_str())
}

/// Whether a window is not found by chance: it is within a code, or it changes as no words do.
fn says_something(letters: &Squeezed, runs: &[Run], at: usize) -> bool {
    let window = &letters.bytes[at..at + WINDOW];
    if !is_varied(window) {
        return false;
    }
    let mut place = runs.partition_point(|run| run.end <= at);
    let (mut changes, mut rises, mut pieces) = (0, 0, 1);
    let is_in_code = runs[place].is_code && runs[place].end >= at + WINDOW;
    for (offset, pair) in window.windows(2).enumerate() {
        let next = at + offset + 1;
        if next == runs[place].end {
            place += 1;
            pieces += 1;
            continue;
        }
        changes += usize::from(pair[0].is_ascii_digit() != pair[1].is_ascii_digit());
        rises += usize::from(pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    }
    let has = |is: fn(&u8) -> bool| window.iter().any(is);
    let is_mixed = has(u8::is_ascii_alphabetic) && (has(u8::is_ascii_digit) || has(u8::is_ascii_uppercase));
    changes + rises >= CHANGES || is_in_code && (changes > 0 || rises > 1) || is_mixed && pieces >= PIECES
}

/// Where names stand that are in every other text: hosts, words of addresses, versions.
fn plain(whole: &str) -> Vec<(usize, usize)> {
    let is_end = |char: char| SEPARATORS.contains(&char) && !JOINS.contains(&char);
    let mut found = Vec::new();
    let mut start = 0;
    for part in whole.split(is_end) {
        let is_of_names = is_plain(part) || is_address(part) && !part.contains(char::is_uppercase);
        if is_of_names {
            found.push((start, start + part.len()));
        }
        start += part.len() + whole[start + part.len()..].chars().next().map_or(0, char::len_utf8);
    }
    found
}

/// Windows of a value in hex, in base32 and in base64, at each of the places that it can have in a longer text.
fn encoded(value: &[u8], step: usize, all: &mut Texts) {
    if value.len() < WINDOW / 2 {
        return;
    }
    let ends = [&value[..value.len().min(IN_PARTS)], &value[value.len() - value.len().min(IN_PARTS)..]];
    for bytes in &ends[..if value.len() > IN_PARTS { 2 } else { 1 }] {
        windows(&hex::encode(bytes), step, all);
        for before in 0..5 {
            let shifted = [&[0; 4][..before], bytes].concat();
            let text = base32(&shifted);
            windows(&text[(before * 8).div_ceil(5)..shifted.len() * 8 / 5], step, all);
        }
        for before in 0..3 {
            let shifted = [&[0; 2][..before], bytes].concat();
            let text = STANDARD_NO_PAD.encode(&shifted);
            let squeezed = squeeze(&text[(before * 8).div_ceil(6)..shifted.len() * 8 / 6]).bytes;
            windows(&String::from_utf8_lossy(&squeezed), step, all);
        }
    }
}

fn windows(text: &str, step: usize, all: &mut Texts) {
    let mut push = |window: &str| {
        if is_varied(window.as_bytes()) && has_room(all) {
            all.push(window, How::Run);
        }
    };
    if text.len() <= ENCODED {
        if text.len() >= WINDOW {
            push(text);
        }
        return;
    }
    (0..=text.len() - ENCODED).step_by(step.max(4)).for_each(|at| push(&text[at..at + ENCODED]));
    push(&text[text.len() - ENCODED..]);
}

const BASE32: [u8; 32] = *b"abcdefghijklmnopqrstuvwxyz234567";

/// Without its padding, in small letters.
fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xffff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(BASE32[(held >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        out.push(char::from(BASE32[(held << (5 - bits)) as usize & 31]));
    }
    out
}

#[cfg(test)]
#[path = "squeezed_tests.rs"]
mod tests;
