//! Escapes external texts, so that they are shown unchanged and have no effect: no mention, no link, no markup, and no
//! end of the surrounding block.

use crate::redact::push_visible;

/// The longest text within a line. Names are far shorter.
const LONGEST: usize = 400;

/// A code span: Markdown reads nothing in it, and a forge turns nothing in it into a mention or a link.
pub(super) fn span(text: &str) -> String {
    let text = line(text);
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    // A space is taken off at either end, so ticks at the edges stay apart from ours.
    if text.starts_with('`') || text.ends_with('`') || (text.starts_with(' ') && text.ends_with(' ')) {
        format!("{ticks} {text} {ticks}")
    } else {
        format!("{ticks}{text}{ticks}")
    }
}

/// A code span in a cell of a table, where a bar would end the cell even within code.
pub(super) fn cell(text: &str) -> String {
    span(&text.replace('|', "¦").replace('\\', "⧵"))
}

/// A `code` element, for places where HTML is read and Markdown is not.
pub(super) fn html(text: &str) -> String {
    let mut out = String::from("<code>");
    for c in line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            '@' => out.push_str("&#64;"),
            c => out.push(c),
        }
    }
    out + "</code>"
}

/// The fence for a text: longer than any run of backticks in it, so that no line of it can end the block.
pub(super) fn fence(text: &str) -> String {
    "`".repeat((longest_run(text, '`') + 1).max(3))
}

/// A text of several lines for a fenced block, with what can't be seen made visible. No line begins with a slash:
/// GitLab carries out `/merge` and the like before it reads Markdown, and knows no fence of more than three backticks.
pub(super) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end_matches('\n').chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '/' if out.is_empty() || out.ends_with('\n') => out.push_str(" /"),
            c => push_visible(&mut out, c),
        }
    }
    out
}

/// One line, not empty and not too long.
fn line(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() > LONGEST {
            out.push('…');
            break;
        }
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c => push_visible(&mut out, c),
        }
    }
    if out.trim().is_empty() { "(empty)".to_owned() } else { out }
}

fn longest_run(text: &str, wanted: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn no_line_is_a_quick_action() {
        assert_eq!(lines("/merge\na/b\n```\n/approve\n\n//x\n"), " /merge\na/b\n```\n /approve\n\n //x");
    }
}
