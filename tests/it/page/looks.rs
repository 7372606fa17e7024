//! Whoever comes, however they look at it: narrow or wide, dark or light, by mouse, keyboard or screen reader.

use serde_json::{Value, json};

use super::{WIDE, closed, opened, post_status};
use crate::story::{manifests, push};
use crate::support::browser::{Tab, View};
use crate::support::world::{Files, PROJECT, World};

/// Texts whose contrast with what lies behind them is below 4.5 to 1, which WCAG asks for.
const FAINT: &str = "(() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
    const behind = node => {
        for (; node; node = node.parentElement) {
            const colour = numbers(getComputedStyle(node).backgroundColor);
            if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const faint = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const node = texts.currentNode.parentElement;
        if (!texts.currentNode.textContent.trim() || !node.checkVisibility() || node.closest('noscript')) continue;
        const [a, b] = [light(numbers(getComputedStyle(node).color)), light(behind(node))];
        const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${node.outerHTML.slice(0, 120)}`);
    }
    return faint;
})()";

/// What reaches beyond the width of the page and cannot be scrolled by itself.
const TOO_WIDE: &str = "document.scrollingElement.scrollWidth <= innerWidth ? [] : ['the page', \
                        ...document.querySelectorAll('body *')]
    .filter(node => node === 'the page' || node.getBoundingClientRect().right > innerWidth).map(node => \
                        (node.outerHTML ?? node).slice(0, 120))";

/// Sentences that have to be scrolled to be read. Only diffs keep their lines.
const CUT_OFF: &str = "[...document.querySelectorAll('#comments pre:not(:has(.line))')]
    .filter(node => node.scrollWidth > node.clientWidth).map(node => node.textContent.slice(0, 120))";

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_read_and_use_the_page() {
    let world = World::start("page-looks").await;
    let base = world.push(push::shop(&world)).await;
    world.healthy("shop", &base).await;
    let change = Files::new()
        .file("deploy/web.yaml", manifests::deployment("web", "example.test/web:2", 3))
        .file("deploy/settings.yaml", manifests::config_map("settings", &"a long value ".repeat(12)));
    let pull = world.open_pull("a-branch-whose-name-is-quite-long-as-they-often-are", change).await;
    let wrong =
        world.open_pull("wrong", Files::new().file("deploy/web.yaml", manifests::deployment("Web", "x", 1))).await;
    assert_eq!(world.status(&wrong.head).await.state, "failure");
    world.status(&pull.head).await;
    world.comment(pull.number, "Merging").await;

    let (browser, tab) = opened(&world).await;
    for (of, number) in [("failed", wrong.number), ("passed", pull.number)] {
        tab.value(&format!("location.hash = '{PROJECT}/{number}'")).await;
        tab.until(&format!(
            "document.querySelector('h1')?.textContent.endsWith('#{number}') && \
                            document.querySelector('#comments .body')"
        ))
        .await;
        tab.until(
            "document.querySelector('#files pre') && document.querySelector('#checks .status :is(.success, .failure)')",
        )
        .await;
        tab.value("document.querySelectorAll('#comments details').forEach(fold => fold.open = true)").await;
        for (size, width) in [("wide", WIDE.width), ("narrow", 360)] {
            for (light, dark) in [("light", false), ("dark", true)] {
                let view = View { width, dark, ..WIDE };
                tab.view(view).await;
                assert_eq!(tab.value(FAINT).await, json!([]), "{of} {size} {light}");
                assert_eq!(tab.value(TOO_WIDE).await, json!([]), "{of} {size} {light}");
                assert_eq!(tab.value(CUT_OFF).await, json!([]), "{of} {size} {light}");
                tab.picture(&format!("looks-{of}-{size}-{light}"), view).await;
            }
        }
        tab.view(WIDE).await;
    }
    what_is_chosen_is_in_sight(&tab).await;
    everything_has_a_name(&tab).await;
    the_keyboard_reaches_everything(&tab).await;
    the_focus_stays(&world, &tab).await;
    the_worst_status_counts(&world, &tab, pull.head.as_str()).await;
    closed(browser, &tab).await;
}

/// In the list, where there is one dot for all.
async fn the_worst_status_counts(world: &World, tab: &Tab, head: &str) {
    let dot = |state: &str| format!("document.querySelector('.pull[href$=\"/1\"] .dot').classList.contains('{state}')");
    tab.until(&dot("success")).await;
    for context in ["a-linter", "z-linter"] {
        for state in ["failure", "success"] {
            post_status(world, head, &json!({"state": state, "context": context})).await;
            tab.until(&dot(state)).await;
        }
    }
}

/// On a narrow screen the list stands above what is chosen in it.
async fn what_is_chosen_is_in_sight(tab: &Tab) {
    tab.view(View { width: 360, ..WIDE }).await;
    for number in [2, 1] {
        tab.value("scrollTo(0, 0)").await;
        tab.click(&format!(".pull[href$='/{number}']")).await;
        tab.until(&format!(
            "document.querySelector('h1').textContent.endsWith('#{number}') && \
             document.querySelector('h1').getBoundingClientRect().top < innerHeight / 4"
        ))
        .await;
    }
    tab.value("scrollTo(0, 0)").await;
    tab.view(WIDE).await;
}

/// As a screen reader is told.
async fn everything_has_a_name(tab: &Tab) {
    tab.call("Accessibility.enable", json!({})).await;
    let tree = tab.call("Accessibility.getFullAXTree", json!({})).await;
    let nodes = tree["nodes"].as_array().expect("a tree");
    let of_kind = |kinds: &'static [&str]| {
        nodes
            .iter()
            .filter(move |node| node["ignored"] == false && kinds.iter().any(|kind| node["role"]["value"] == *kind))
    };
    let name = |node: &Value| node["name"]["value"].as_str().unwrap_or_default().trim().to_owned();
    let mut controls: Vec<String> =
        of_kind(&["button", "textbox", "combobox", "link", "navigation", "region"]).map(name).collect();
    assert!(controls.iter().all(|name| !name.is_empty()), "one has no name: {controls:#?}");
    let expected = [
        "Content",
        "File",
        "Into this branch",
        "Merge",
        "Merge this branch",
        "Open pull request",
        "Open pull request",
        "Title",
        "Title",
    ];
    controls.retain(|name| expected.contains(&name.as_str()));
    controls.sort();
    assert_eq!(controls, expected);
    assert_eq!(tab.text("document.documentElement.lang").await, "en");
    assert!(tab.text("document.title").await.ends_with("#1"), "{}", tab.text("document.title").await);
}

async fn the_keyboard_reaches_everything(tab: &Tab) {
    tab.value("document.activeElement.blur()").await;
    let controls = "[...document.querySelectorAll('a[href], button, input, textarea, select, summary, \
                    pre[tabindex]')].filter(node => node.checkVisibility())";
    let count = tab.value(&format!("{controls}.length")).await.as_u64().expect("a number");
    tab.value("window.reached = new Set()").await;
    for _ in 0..count + 2 {
        tab.press("Tab").await;
        let outlined = tab
            .value(
                "document.activeElement === document.body || (reached.add(document.activeElement), \
                    getComputedStyle(document.activeElement).outlineStyle !== 'none')",
            )
            .await;
        assert_eq!(outlined, true, "the focus on {} is not seen", tab.text("document.activeElement.outerHTML").await);
    }
    let missed = tab
        .value(&format!("{controls}.filter(node => !reached.has(node)).map(node => node.outerHTML.slice(0, 120))"))
        .await;
    assert_eq!(missed, json!([]));
}

/// What changes on the page takes neither the focus nor what somebody types.
async fn the_focus_stays(world: &World, tab: &Tab) {
    tab.click("input[name=title]").await;
    tab.types("half a ti").await;
    world.push_to("yet-another", Files::new().file("README", "words")).await;
    tab.until(
        "[...document.querySelectorAll('select[name=base] option')].some(option => option.value === 'yet-another')",
    )
    .await;
    tab.types("tle").await;
    assert_eq!(tab.text("document.activeElement.value").await, "half a title");

    tab.value("document.querySelector('#checks button').focus()").await;
    world.forge.comment_as(PROJECT, 1, "eve", "One more comment").expect("written");
    world.forge.open_pull(PROJECT, "yet-another", "main", "Yet another").await.expect("opened");
    tab.until(
        "document.querySelectorAll('.pull').length === 3 && document.querySelectorAll('#comments .body').length === 2",
    )
    .await;
    assert_eq!(tab.text("document.activeElement.textContent").await, "Merge");
    tab.value("document.querySelectorAll('.pull')[2].focus()").await;
    world.forge.close_pull(PROJECT, 2);
    tab.until("document.querySelector('.pull .closed')").await;
    assert!(tab.text("document.activeElement.textContent").await.contains("#1 open"), "the focus is lost");
}
