//! Markdown as a forge shows it: HTML of the text's own is left out, but for the few tags that fold and mark code.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag};

const ALLOWED: [&str; 9] =
    ["<details>", "<details open>", "</details>", "<summary>", "</summary>", "<code>", "</code>", "<b>", "</b>"];

pub(super) fn html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(markdown, options).map(|event| match event {
        Event::Html(text) => Event::Html(CowStr::from(sanitised(&text))),
        Event::InlineHtml(text) => Event::InlineHtml(CowStr::from(sanitised(&text))),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = if is_web(&dest_url) { dest_url } else { CowStr::from("#") };
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        // Nothing is loaded from anywhere.
        Event::Start(Tag::Image { link_type, title, id, .. }) => {
            Event::Start(Tag::Image { link_type, dest_url: CowStr::from("/avatar"), title, id })
        }
        event => event,
    });
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events);
    out
}

fn is_web(address: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// Keeps the allowed tags, drops comments, and shows everything else as text.
fn sanitised(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start].replace('>', "&gt;"));
        rest = &rest[start..];
        if let Some(tag) = ALLOWED.iter().find(|tag| rest.starts_with(**tag)) {
            out.push_str(tag);
            rest = &rest[tag.len()..];
        } else if let Some(end) = rest.strip_prefix("<!--").and_then(|comment| comment.find("-->")) {
            rest = &rest[4 + end + 3..];
        } else {
            out.push_str("&lt;");
            rest = &rest[1..];
        }
    }
    out.push_str(&rest.replace('>', "&gt;"));
    out
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn only_folding_and_code_get_through() {
        let text = "<!-- driftless:a part 1/1 -->\n**x** <script>alert(1)</script>\n\n<details><summary>s \
                    <code>c</code></summary>\n\n```diff\n+<b onclick=x>\n```\n\n</details>\n\n<img src=x \
                    onerror=y>\n\n[l](javascript:x) ![i](http://e)";
        let out = html(text);
        for bad in ["<script", "<img src=x", "javascript:", "onerror=y>", "driftless:a", "http://e\""] {
            assert!(!out.contains(bad), "{bad} in {out}");
        }
        assert!(out.contains("<details><summary>s <code>c</code></summary>") && out.contains("</details>"), "{out}");
    }
}
