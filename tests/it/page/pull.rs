//! A pull request is opened, watched and merged on the page, by somebody with a keyboard and a mouse.

use std::time::Duration;

use driftless::dev::{Fault, Rule};

use super::{WIDE, closed, opened};
use crate::story::{manifests, push};
use crate::support::world::{Files, PROJECT, World};

/// Writes down each status and each first line of the comment that the page ever shows.
const WATCH: &str = "(() => {
    window.seen = [];
    const note = text => { if (text && !seen.includes(text)) seen.push(text) };
    const look = () => {
        for (const status of document.querySelectorAll('#checks .status')) note(status.textContent);
        note(document.querySelector('#comments .body p')?.textContent.replace(/in \\d.*/, 'soon'));
    };
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
})()";

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_opened_watched_and_merged() {
    let world = World::start("page").await;
    let base = world.push(push::shop(&world)).await;
    world.healthy("shop", &base).await;
    let head = world
        .push_to("newer", Files::new().file("deploy/web.yaml", manifests::deployment("web", "example.test/web:2", 3)))
        .await;

    let (browser, tab) = opened(&world).await;
    tab.until("[...document.querySelectorAll('select[name=head] option')].some(option => option.value === 'newer')")
        .await;
    tab.value(WATCH).await;
    tab.click("form:has([name=head]) [name=title]").await;
    tab.types("A third web server").await;
    tab.press("Tab").await;
    tab.types("newer").await;
    for expected in ["base", ""] {
        tab.press("Tab").await;
        assert_eq!(tab.text("document.activeElement.name").await, expected);
    }
    // The preview takes so long that the page sees it pending.
    world.proxy.add(Rule::all(Fault::Delay(Duration::from_millis(1500))).containing("dryRun=All"));
    tab.press("Enter").await;

    tab.until("document.querySelector('h1')?.textContent === 'A third web server #1'").await;
    assert_eq!(tab.text("location.hash").await, format!("#{PROJECT}/1"));
    tab.until("document.querySelector('#checks .status .pending')").await;
    world.proxy.clear();
    tab.until("document.querySelector('#checks .status .success')").await;
    tab.until("document.querySelector('#comments .plus')").await;
    let diff = tab.text("document.querySelector('#comments details[open] pre').innerText").await;
    assert!(diff.contains("-  replicas: 2") && diff.contains("+  replicas: 3"), "{diff}");
    assert_eq!(tab.text("document.querySelector('#checks button').textContent").await, "Merge");
    let files = tab.text("document.querySelector('#files').innerText").await;
    assert!(files.contains("deploy/web.yaml") && files.contains("+  replicas: 3"), "{files}");
    tab.picture("pull-open", WIDE).await;

    tab.click("#checks button").await;
    tab.until("document.querySelector('#comments .body p')?.textContent.includes('healthy after')").await;
    tab.until(
        "document.querySelector('#head .pill').textContent === 'merged' && !document.querySelector('#checks button')",
    )
    .await;
    tab.picture("pull-merged", WIDE).await;
    let web = world.live("apps/v1 Deployment", "web").await.expect("there");
    assert_eq!(web["spec"]["replicas"], 3);

    tab.click("#say textarea").await;
    tab.types("/driftless pause shop 2h while I look").await;
    tab.click("#say button").await;
    tab.until("[...document.querySelectorAll('.reactions')].some(line => line.textContent === '👍')").await;
    tab.until("document.querySelector('#comments .body').textContent.includes('shop is paused until')").await;
    assert_eq!(tab.text("document.querySelector('#say textarea').value").await, "");
    tab.picture("pull-command", WIDE).await;
    assert!(world.app_row("shop").await.expect("an app").paused);

    // All of it came by itself: the page was loaded once, and has seen each state pass.
    let seen = tab.value("seen").await;
    let seen: Vec<&str> = seen.as_array().expect("a list").iter().filter_map(|line| line.as_str()).collect();
    let at = |text: &str| {
        seen.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text} was never seen: {seen:#?}"))
    };
    assert!(at("pending") < at("success") && at("Merging changes 1 app") < at("healthy after"), "{seen:#?}");
    assert_eq!(world.states(&head), ["pending", "success"]);
    closed(browser, &tab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_changed_on_the_page() {
    let world = World::start("page-change").await;
    let base = world.push(push::shop(&world)).await;
    world.healthy("shop", &base).await;

    let (browser, tab) = opened(&world).await;
    let form = "form:has([name=text])";
    tab.until(&format!("document.querySelector('{form} [name=text]').value.includes('kustomize.config.k8s.io')")).await;
    tab.value(&format!("document.querySelector('{form} [name=path]').focus()")).await;
    tab.types("deploy/web").await;
    let selected = format!(
        "(() => {{ const text = document.querySelector('{form} [name=text]'), at = text.value.indexOf('replicas: 2'); \
         text.focus(); \
         text.setSelectionRange(at + 10, at + 11); return at > 0 }})()"
    );
    tab.until(&selected).await;
    tab.types("5").await;
    // What somebody edits stays while the branch moves on.
    world.push(Files::new().file("deploy/settings.yaml", manifests::config_map("settings", "two"))).await;
    tab.press("Tab").await;
    tab.types("Five web servers").await;
    tab.press("Enter").await;
    tab.until("document.querySelector('h1')?.textContent === 'Five web servers #1'").await;
    tab.until("document.querySelector('#checks .status .success')").await;
    let files = tab.text("document.querySelector('#files').innerText").await;
    assert!(
        files.contains("-  replicas: 2")
            && files.contains("+  replicas: 5")
            && files.matches("diff --git").count() == 1,
        "{files}"
    );
    tab.click("#checks button").await;
    tab.until("document.querySelector('#comments .body p')?.textContent.includes('healthy after')").await;
    tab.until(&format!("document.querySelector('{form} [name=text]').value.includes('replicas: 5')")).await;
    assert_eq!(world.live("apps/v1 Deployment", "web").await.expect("there")["spec"]["replicas"], 5);
    closed(browser, &tab).await;
}
