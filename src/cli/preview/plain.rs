//! The text of a comment for a terminal: what a forge folds, hides or turns into something else is shown as it reads.
//! Pure.

/// Markdown as our comments write it, without its HTML: summaries become lines, and what stands in a fence stays as it
/// is.
pub(super) fn plain(markdown: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut fence: Option<String> = None;
    for line in markdown.lines() {
        if let Some(end) = &fence {
            if line == end.as_str() {
                fence = None;
            } else {
                out.push(line.to_owned());
            }
            continue;
        }
        let ticks = line.chars().take_while(|c| *c == '`').count();
        if ticks >= 3 && !line[ticks..].contains('`') {
            fence = Some("`".repeat(ticks));
        } else if !(line.starts_with("<!--") && line.ends_with("-->")) {
            out.push(without_tags(line));
        }
    }
    // What was only markup leaves empty lines behind.
    out.dedup_by(|line, before| line.is_empty() && before.is_empty());
    out.join("\n").trim().to_owned()
}

/// In a code span nothing is markup.
fn without_tags(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['`', '<']) {
        out.push_str(&unescaped(&rest[..at]));
        rest = &rest[at..];
        let ticks = rest.chars().take_while(|c| *c == '`').count();
        let end = if ticks > 0 {
            let span = &rest[..ticks];
            rest[ticks..].find(span).map(|end| ticks + end + ticks)
        } else {
            let tag = TAGS.iter().find(|tag| rest.starts_with(**tag));
            tag.map(|tag| tag.len())
        };
        match end {
            Some(end) if ticks > 0 => out.push_str(&rest[..end]),
            Some(_) => {}
            None => out.push_str(&rest[..1.max(ticks)]),
        }
        rest = &rest[end.unwrap_or(1.max(ticks))..];
    }
    out.push_str(&unescaped(rest));
    out.trim_end().to_owned()
}

/// All that our comments write.
const TAGS: [&str; 10] = [
    "<details>",
    "<details open>",
    "</details>",
    "<summary>",
    "</summary>",
    "<code>",
    "</code>",
    "<b>",
    "</b>",
    "<br>",
];

fn unescaped(text: &str) -> String {
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#96;", "`"),
        ("&#64;", "@"),
        ("&amp;", "&"),
    ];
    entities.iter().fold(text.replace("**", ""), |text, (entity, char)| text.replace(entity, char))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T14+: the terminal shows no HTML, and loses nothing of the text.
    #[test]
    fn a_comment_reads_as_text() {
        let report = crate::report::sample::everything("");
        let text = plain(&crate::report::markdown::whole(&report));
        assert!(!TAGS.iter().any(|tag| text.contains(tag)), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn what_is_not_ours_stays_as_it_is() {
        let markdown = "<!-- mark -->\n\n**Merging** `a <b> & **c**` of \
                        <code>x&lt;y&amp;gt;</code>\n\n\n````diff\n```\n+<b>&lt;\n````\n</details>\n1 < 2";
        assert_eq!(plain(markdown), "Merging `a <b> & **c**` of x<y&gt;\n\n```\n+<b>&lt;\n\n1 < 2");
    }
}
