//! Finds the lines of a comment that are commands.
//!
//! People paste commands with what surrounds them, and programs append text that nobody sees. So comments in HTML go
//! first; what is quoted or code is no command; marks of lists and backticks around a line are ignored.

use super::given::NAME;

/// Whether a comment has a command.
pub fn is_addressed(body: &str) -> bool {
    !lines(body).is_empty()
}

/// The commands of a comment in their order, without [`NAME`], on one line each with single spaces.
pub fn lines(body: &str) -> Vec<String> {
    let body = without_html_comments(body);
    let mut fence: Option<(char, usize)> = None;
    let mut found = Vec::new();
    for line in body.lines() {
        let text = line.trim_start();
        let marker = fence_of(text);
        match (fence, marker) {
            (Some((mark, least)), Some((other, length))) if mark == other && length >= least => fence = None,
            (Some(_), _) => {}
            (None, Some(opened)) if !is_inline(text, opened) => fence = Some(opened),
            (None, _) => found.extend(command(line)),
        }
    }
    found
}

fn without_html_comments(body: &str) -> String {
    let mut kept = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        // One without an end hides all that follows.
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

/// The mark of a fenced block of code, and how often it is repeated.
fn fence_of(line: &str) -> Option<(char, usize)> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.chars().take_while(|c| *c == mark).count();
    (length >= 3).then_some((mark, length))
}

/// Three backticks around a command on one line are no fence.
fn is_inline(line: &str, (mark, length): (char, usize)) -> bool {
    mark == '`' && line[length..].contains('`')
}

fn command(line: &str) -> Option<String> {
    // Four spaces or a tab make a block of code.
    if line.starts_with("    ") || line.starts_with('\t') {
        return None;
    }
    let text: String = line.chars().filter(|c| !is_invisible(*c)).map(plain).collect();
    let text = without_list_mark(text.trim());
    let text = text.trim_matches(|c: char| matches!(c, '`' | '"' | '\'' | '“' | '”' | '‘' | '’') || c.is_whitespace());
    let mut words = text.split_whitespace();
    let name = words.next()?;
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    Some(words.collect::<Vec<_>>().join(" "))
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}')
}

/// Controls are spaces.
fn plain(c: char) -> char {
    if c.is_control() || c.is_whitespace() { ' ' } else { c }
}

/// `- `, `* `, `+ `, `1. `, `2) `, and a box to tick after one of them.
fn without_list_mark(text: &str) -> &str {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = &text[digits..];
    let rest = match text.strip_prefix(['-', '*', '+']) {
        Some(rest) => Some(rest),
        None if digits > 0 => number.strip_prefix(['.', ')']),
        None => None,
    };
    let Some(rest) = rest.filter(|rest| rest.starts_with(' ')).map(str::trim_start) else { return text };
    let boxed = ["[ ] ", "[x] ", "[X] "].iter().find_map(|tick| rest.strip_prefix(tick));
    boxed.unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_line_that_begins_with_the_name() {
        assert_eq!(lines("/driftless approve"), ["approve"]);
        assert_eq!(lines("Looks good.\n\n  /Driftless   sync\tweb \r\nthanks"), ["sync web"]);
        assert_eq!(lines("/driftless pause web 2h\n/driftless help"), ["pause web 2h", "help"]);
        assert_eq!(lines("/driftless"), [""]);
        for other in [
            "",
            "driftless approve",
            "please /driftless approve",
            "/driftlessapprove",
            "/driftless-approve",
            "> /driftless approve",
            "```\n/driftless approve\n```",
            "~~~sh\n```\n/driftless approve\n~~~",
            "````\n```\n/driftless approve\n````",
            "```\n/driftless approve",
            "    /driftless approve",
            "\t/driftless approve",
            "<!-- /driftless approve -->",
            "<!--\n/driftless approve",
            "http://example.test/driftless approve",
        ] {
            assert_eq!(lines(other), Vec::<String>::new(), "{other:?}");
        }
    }

    #[test]
    fn what_surrounds_a_command_is_ignored() {
        for text in [
            "`/driftless approve`",
            "```/driftless approve```",
            "- /driftless approve",
            "* `/driftless approve`",
            "1. /driftless approve",
            "2) /driftless approve",
            "- [ ] /driftless approve",
            "\"/driftless approve\"",
            "“/driftless approve”",
            "\u{200b}/driftless\u{a0}approve",
            "/driftless approve <!-- added by a tool -->",
            "<!-- hidden -->\n/driftless approve",
            "```\ncode\n```\n/driftless approve",
        ] {
            assert_eq!(lines(text), ["approve"], "{text:?}");
        }
    }
}
