//! What a repository or a comment brings is shown and never run.

use serde_json::json;

use super::{WIDE, closed, opened, post_status};
use crate::support::world::{Files, PROJECT, Setup, World};

const TITLE: &str = "<img src=x onerror=alert(1)><script>alert(2)</script>";
const BRANCH: &str = "\"><svg/onload=alert(3)>'";

const COMMENT: &str = r#"<script>alert(4)</script><img src=x onerror=alert(5)><svg onload=alert(6)></svg>

[a link](javascript:alert(7)) [another](  JaVaScRiPt:alert(8)) [data](data:text/html,<script>alert(9)</script>) <javascript:alert(10)>

![picture](http://198.51.100.1/pixel.png) <iframe src="http://198.51.100.1/"></iframe>

<details open ontoggle=alert(11)><summary onclick=alert(12)>fold</summary>

```diff
+<img src=x onerror=alert(13)>
```

</details>

| a | b |
|---|--:|
| <b onmouseover=alert(14)>x</b> | <style>*{display:none}</style> |

<form action="http://198.51.100.1/"><button>press</button></form> <meta http-equiv=refresh content="0;url=http://198.51.100.1/">
<a href="javascript:alert(15)">raw</a> <base href="http://198.51.100.1/">

[reference]: javascript:alert(16)
[reference] &lt;script&gt;alert(17)&lt;/script&gt; <!-- --><script>alert(18)</script><!-- -->
"#;

/// Elements and attributes on the page that could do something, but for the page's own.
const LIVE: &str = "[
    ...document.querySelectorAll('#repos :is(script,img,iframe,svg,object,embed,base,meta,style,link,form[action])'),
    ...document.querySelectorAll('#pull :is(script,iframe,svg,object,embed,base,meta,style,link,form:not(#say > section > form))'),
    ...[...document.querySelectorAll('#pull img')].filter(node => node.getAttribute('src') !== '/avatar'),
    ...[...document.querySelectorAll('#pull *, #repos *')].filter(node => [...node.attributes].some(({name}) => \
                    name.startsWith('on'))),
    ...[...document.querySelectorAll('#pull a')].filter(node => !/^(#|https?:)/.test(node.getAttribute('href'))),
].map(node => node.outerHTML)";

/// A file's text on the default branch, which the page offers to edit.
const TEXT: &str = "</textarea><script>alert(24)</script>\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hostile_is_shown_and_does_nothing() {
    let world = World::with("page-hostile", Setup { webhooks: false, ..Setup::default() }).await;
    world.push(Files::new().file("<b onclick=alert(25)>", TEXT)).await;
    let head = world
        .push_to(BRANCH, Files::new().file("<img src=x onerror=alert(19)>.txt", "<script>alert(20)</script>\n"))
        .await;
    let number = world.forge.open_pull(PROJECT, BRANCH, "main", TITLE).await.expect("opened");
    world.forge.comment_as(PROJECT, number, "<b onclick=alert(21)>eve</b>", COMMENT).expect("written");
    let status = json!({"state": "failure", "context": "<i onclick=alert(22)>c</i>",
        "description": "<u>description</u>", "target_url": "javascript:alert(23)"});
    post_status(&world, head.as_str(), &status).await;

    let (browser, tab) = opened(&world).await;
    tab.until(
        "document.querySelector('#comments .body') && document.querySelector('#files .plus') && \
         document.querySelector('#checks .status')",
    )
    .await;
    assert_eq!(tab.text("document.querySelector('h1').firstChild.textContent.trim()").await, TITLE);
    let shown = tab.text("document.body.innerText").await;
    for text in [
        BRANCH,
        "<script>alert(20)</script>",
        "<b onclick=alert(21)>eve</b>",
        "<u>description</u>",
        "<script>alert(4)</script>",
    ] {
        assert!(shown.contains(text), "{text} is not shown as it is:\n{shown}");
    }
    assert_eq!(tab.text("document.querySelector('[name=text]').value").await, TEXT);
    assert_eq!(tab.value(LIVE).await, json!([]));
    assert_eq!(tab.value("[...document.scripts].map(script => script.getAttribute('src'))").await, json!(["/page.js"]));

    // All that can be clicked is clicked; the page is where it was.
    tab.value("window.mark = 1").await;
    tab.value(
        "document.querySelectorAll('#comments a, #comments summary, #comments details, #comments button').forEach(node \
         => node.click())",
    )
    .await;
    tab.until("document.querySelector('#comments .body')").await;
    assert_eq!(tab.value("window.mark").await, 1);
    assert!(tab.text("location.href").await.starts_with(&world.forge.url()), "it has left");
    tab.picture("hostile", WIDE).await;
    closed(browser, &tab).await;
}
