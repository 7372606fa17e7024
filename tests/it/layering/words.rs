//! A source file as words: identifiers, `::` and single signs. Comments and texts are left out, and so is what only
//! tests compile.

/// The words of a file, in order.
pub fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' | 'b' | 'c' if raw_text(rest).is_some() => raw_text(rest).unwrap_or(1),
            '\'' => character(rest),
            _ if rest.starts_with("::") => 2,
            _ if is_part(first) => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let is_word = is_part(first) && !rest[..length].contains(['"', '#']);
        if is_word || (!first.is_whitespace() && !"\"'/".contains(first) && !is_part(first)) {
            words.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    without_tests(&words)
}

fn is_part(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// They nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a text in quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r#"…"#` and its like, or of a name such as `r#type`'s first two signs, which say nothing.
fn raw_text(text: &str) -> Option<usize> {
    let begins = |prefix: &&str| text.strip_prefix(*prefix).is_some_and(|rest| rest.starts_with(['"', '#']));
    let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(begins)?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return (prefix == "r" && hashes == 1).then_some(2);
    }
    if !prefix.ends_with('r') {
        return Some(prefix.len() + quoted(after));
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let inner = &after[hashes + 1..];
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(prefix.len() + hashes + 1 + length)
}

/// The length of a character in quotes, or of the quote that begins the name of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((escaped, _))) => {
            text[escaped + 1..].find('\'').map_or(text.len(), |at| escaped + at + 2)
        }
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1,
    }
}

const FOR_TESTS: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// Leaves out each item that is compiled for tests alone, wherever it stands.
fn without_tests<'t>(words: &[&'t str]) -> Vec<&'t str> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at..].starts_with(&FOR_TESTS) {
            at = end_of_item(words, at);
        } else {
            kept.push(words[at]);
            at += 1;
        }
    }
    kept
}

/// Where the item ends that begins here, with its attributes.
fn end_of_item(words: &[&str], mut at: usize) -> usize {
    while words.get(at) == Some(&"#") {
        at = closing(words, at + 1) + 1;
    }
    while let Some(word) = words.get(at) {
        match *word {
            ";" => return at + 1,
            "{" => return closing(words, at) + 1,
            "(" | "[" => at = closing(words, at) + 1,
            // A field, with which its struct ends.
            "}" => return at,
            _ => at += 1,
        }
    }
    at
}

/// Where the bracket closes that is opened here.
fn closing(words: &[&str], open: usize) -> usize {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate().skip(open) {
        match *word {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    words.len()
}
