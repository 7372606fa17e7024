//! The page of the embedded forge, in a real browser: what a newcomer does first.

mod hostile;
mod looks;
mod pull;

use serde_json::Value;

use crate::support::browser::{Browser, Tab, View};
use crate::support::world::{PROJECT, TOKEN, World};

const WIDE: View = View { width: 1280, height: 800, dark: false };

/// A browser with a tab that shows the forge's page.
async fn opened(world: &World) -> (Browser, Tab) {
    let browser = Browser::start().await;
    let tab = browser.tab().await;
    tab.view(WIDE).await;
    tab.open(&world.forge.url()).await;
    tab.until(&format!("document.querySelector('aside h2')?.textContent === '{PROJECT}'")).await;
    (browser, tab)
}

/// Nothing happened that must not, and the browser is gone.
async fn closed(browser: Browser, tab: &Tab) {
    let complaints = tab.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    browser.close().await;
}

/// As any client of the API may write it.
async fn post_status(world: &World, sha: &str, status: &Value) {
    let url = format!("{}/repos/{PROJECT}/statuses/{sha}", world.forge.api_url());
    let answer = reqwest::Client::new().post(url).bearer_auth(TOKEN).json(status).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.text().await.expect("a reason"));
}
