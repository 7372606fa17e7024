//! Inputs made from good ones, and texts that nobody expects.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

/// Pieces that mean something to one reader or another.
const PIECES: &[&str] = &[
    "",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\0",
    ":",
    "- ",
    "---\n",
    "{",
    "}",
    "[",
    "]",
    "&a",
    "*a",
    "<<: *a",
    "!!int ",
    "|",
    ">",
    "#",
    "'",
    "\"",
    "\\",
    "%",
    "..",
    "../x",
    "/",
    "//",
    "~",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "0x10",
    "refs/heads/",
    "refs/heads/a\0b",
    "--upload-pack=x",
    "`",
    "```",
    "<b>",
    "</details>",
    "<!--",
    "@all",
    "[x](y)",
    "\u{202e}",
    "\u{feff}",
    "é",
    "𝒳",
    "a",
    "shop",
    "main",
    "🙂",
];

pub(super) fn text(random: &mut StdRng, pieces: usize) -> String {
    let count = random.random_range(0..=pieces);
    (0..count).map(|_| *PIECES.choose(random).expect("pieces")).collect()
}

/// Cuts, doubles, replaces and inserts here and there.
pub(super) fn bytes(random: &mut StdRng, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(0..=bytes.len());
        let to = (at + random.random_range(0..16)).min(bytes.len());
        match random.random_range(0..5) {
            0 => drop(bytes.drain(at..to)),
            1 => bytes.extend_from_within(at..to),
            2 => drop(bytes.splice(at..to, text(random, 4).into_bytes())),
            3 => drop(bytes.splice(at..at, text(random, 4).into_bytes())),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.random()),
        }
    }
    bytes
}

/// The same as text, whatever became of it.
pub(super) fn lossy(random: &mut StdRng, good: &str) -> String {
    String::from_utf8_lossy(&bytes(random, good.as_bytes())).into_owned()
}

/// Replaces some values of a JSON document.
pub(super) fn json(random: &mut StdRng, value: &mut Value) {
    match value {
        Value::Object(map) if !map.is_empty() && random.random_bool(0.9) => {
            let at = random.random_range(0..map.len());
            if random.random_bool(0.1) {
                let key = map.keys().nth(at).cloned().expect("there");
                map.shift_remove(&key);
            } else if let Some(value) = map.values_mut().nth(at) {
                json(random, value);
            }
        }
        Value::Array(list) if !list.is_empty() && random.random_bool(0.7) => {
            let at = random.random_range(0..list.len());
            json(random, &mut list[at]);
        }
        other => *other = odd(random, 3),
    }
}

/// Any value, of some depth.
pub(super) fn odd(random: &mut StdRng, depth: u32) -> Value {
    match random.random_range(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => json!(random.random::<i64>()),
        3 => json!(random.random::<f64>()),
        4 => json!(random.random::<u64>()),
        5 => json!(text(random, 6)),
        6 => (0..random.random_range(0..4)).map(|_| odd(random, depth - 1)).collect(),
        _ => Value::Object((0..random.random_range(0..4)).map(|_| (text(random, 2), odd(random, depth - 1))).collect()),
    }
}
