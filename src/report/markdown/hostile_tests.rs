//! Nothing that others wrote gets out of the place where it stands.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::comment;
use super::tests::MOST_PARTS;
use crate::forge::GITHUB;
use crate::plan::Action;
use crate::report::sample::{app, everything, key, merged, object, report};

/// What the outbox puts before a part is shorter than this.
const MARKER: usize = 300;

/// Whether a part is short enough, closes what it opens, and shows what others wrote as code only.
pub(crate) fn check(part: &str) -> Result<(), String> {
    if part.encode_utf16().count() > 65_536 - MARKER || part.len() > 262_144 - MARKER {
        return Err("too long".into());
    }
    let mut html = String::new();
    let (mut code, mut depth) = (false, 0_i32);
    for event in
        Parser::new_ext(part, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS)
    {
        match event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => return Err("a link".into()),
            Event::Start(Tag::CodeBlock(_)) => code = true,
            Event::End(TagEnd::CodeBlock) => code = false,
            Event::Text(text) if !code && (text.contains("EVIL") || text.contains('@')) => {
                return Err(format!("loose text {text:?}"));
            }
            Event::Html(text) | Event::InlineHtml(text) => {
                depth += count(&text, "<details>") + count(&text, "<details open>") - count(&text, "</details>");
                html.push_str(&text);
            }
            _ => {}
        }
    }
    if depth != 0 {
        return Err(format!("{depth} details are left open"));
    }
    check_html(&html)
}

fn count(text: &str, what: &str) -> i32 {
    i32::try_from(text.matches(what).count()).unwrap_or(i32::MAX)
}

/// Our tags alone, and what others wrote within `code`.
fn check_html(html: &str) -> Result<(), String> {
    let mut rest = html.to_owned();
    while let Some((start, end)) =
        rest.find("<code>").and_then(|start| Some((start, start + rest[start..].find("</code>")?)))
    {
        if rest[start + 6..end].contains(['<', '>', '@', '`']) {
            return Err(format!("raw text in code: {}", &rest[start..end]));
        }
        rest.replace_range(start..end + 7, "");
    }
    for tag in ["<details>", "<details open>", "</details>", "<summary>", "</summary>", "<b>", "</b>"] {
        rest = rest.replace(tag, "");
    }
    if rest.contains(['<', '@']) || rest.contains("EVIL") { Err(format!("foreign HTML: {rest}")) } else { Ok(()) }
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("EVIL"),
        Just("`"),
        Just("```"),
        Just("````"),
        Just("\n"),
        Just("\n\n"),
        Just("\r\n"),
        Just("|"),
        Just("@all"),
        Just("<script>"),
        Just("<!--"),
        Just("-->"),
        Just("</details>"),
        Just("</summary>"),
        Just("</code>"),
        Just("[x](http://e.example)"),
        Just("![x](y)"),
        Just("http://e.example"),
        Just("www.e.example"),
        Just("<http://e.example>"),
        Just("a@e.example"),
        Just("\u{202e}"),
        Just("\u{0}"),
        Just("\\"),
        Just("\\`"),
        Just("&lt;b&gt;"),
        Just("#1"),
        Just("~~~"),
        Just("    "),
        Just("\t"),
        Just("* "),
        Just("> "),
        Just("# "),
        Just("---"),
        Just("[^1]: "),
        Just("$x$"),
        Just("é"),
        Just("𝒳"),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn hostile_texts_stay_where_they_stand(text in hostile()) {
        for report in [everything(&format!("EVIL{text}")), merged(&format!("{text}EVIL"))] {
            for part in comment(&report, &[], MOST_PARTS, &GITHUB) {
                prop_assert_eq!(check(&part), Ok(()), "{}", part);
            }
        }
    }

    #[test]
    fn every_part_is_whole_and_short_enough(text in hostile(), repeat in 1_usize..2000, objects in 1_usize..9) {
        let diff = format!("+{text}\n").repeat(repeat);
        let objects = (0..objects).map(|n| object(Action::Create, key("ConfigMap", &format!("{n}{text}")),
            &diff)).collect();
        let parts = comment(&report(vec![app("shop-eu", objects)]), &[], MOST_PARTS, &GITHUB);
        prop_assert!(parts.len() <= MOST_PARTS);
        for part in parts {
            prop_assert_eq!(check(&part), Ok(()));
        }
    }
}
