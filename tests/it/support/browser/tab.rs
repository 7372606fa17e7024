//! A tab, as a person uses it: looks, clicks, types, and presses keys.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::pipe::Pipe;

/// What is waited for comes within this.
const BOUND: Duration = Duration::from_secs(40);
const BETWEEN_LOOKS: Duration = Duration::from_millis(30);

pub struct Tab {
    pipe: Pipe,
    session: String,
}

/// How it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct View {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

impl Tab {
    pub(super) async fn new(pipe: Pipe) -> Self {
        let call = async |method, params| pipe.call(None, method, params).await.expect("an answer");
        let target = call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attached = call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true})).await;
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        let tab = Self { pipe, session };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.call(&format!("{domain}.enable"), json!({})).await;
        }
        tab
    }

    pub async fn call(&self, method: &str, params: Value) -> Value {
        match self.pipe.call(Some(&self.session), method, params).await {
            Ok(answer) => answer,
            Err(error) => panic!("{error}\ncomplaints: {:#?}", self.complaints()),
        }
    }

    pub async fn open(&self, url: &str) {
        let answer = self.call("Page.navigate", json!({"url": url})).await;
        assert!(answer["errorText"].is_null(), "{url}: {}", answer["errorText"]);
    }

    /// Is looked at in this way from now on.
    pub async fn view(&self, view: View) {
        let size = json!({"width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        self.call("Emulation.setScrollbarsHidden", json!({"hidden": true})).await;
        let scheme = if view.dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        )
        .await;
    }

    /// What an expression of the page is.
    pub async fn value(&self, expression: &str) -> Value {
        let question = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", question).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {:#}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    pub async fn text(&self, expression: &str) -> String {
        self.value(expression).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str) {
        let deadline = Instant::now() + BOUND;
        while self.value(&format!("!!({expression})")).await != true {
            if Instant::now() > deadline {
                let seen = self.text("document.body.innerText").await;
                panic!(
                    "not within {BOUND:?}: {expression}\nthe page shows:\n{seen}\ncomplaints: {:#?}",
                    self.complaints()
                );
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Presses the mouse on the middle of an element that can be seen.
    pub async fn click(&self, selector: &str) {
        let middle = format!(
            "(() => {{ const node = document.querySelector({selector:?}); node.scrollIntoView({{block: 'center'}}); \
             const box = node.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] }})()"
        );
        let at = self.value(&middle).await;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Types into what has the focus.
    pub async fn types(&self, text: &str) {
        for letter in text.chars() {
            let letter = letter.to_string();
            for kind in ["keyDown", "keyUp"] {
                let text = if kind == "keyDown" { letter.as_str() } else { "" };
                self.call("Input.dispatchKeyEvent", json!({"type": kind, "key": letter, "text": text})).await;
            }
        }
    }

    /// Presses `Tab`, `Enter` or `Space`.
    pub async fn press(&self, key: &str) {
        let (key, code, number, text) = match key {
            "Tab" => ("Tab", "Tab", 9, ""),
            "Enter" => ("Enter", "Enter", 13, "\r"),
            "Space" => (" ", "Space", 32, " "),
            other => panic!("no such key here: {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number, "text": text});
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Keeps a picture of the whole page, looked at in this way, under `target/tmp/page`, for people.
    pub async fn picture(&self, name: &str, view: View) {
        let size = self.call("Page.getLayoutMetrics", json!({})).await["cssContentSize"].clone();
        // What lies beyond the window is not always drawn.
        let height = size["height"].as_f64().expect("a height");
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousand pixels")]
        self.view(View { height: height as u32, ..view }).await;
        let shot = self.call("Page.captureScreenshot", json!({})).await;
        self.view(view).await;
        let bytes = STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("written");
    }

    /// What must not be: a dialog, an error or a word on the console, and a request that leaves this machine.
    pub fn complaints(&self) -> Vec<String> {
        let events = |method: &str| self.pipe.events(&self.session, method);
        let mut found = Vec::new();
        for (method, what) in [
            ("Page.javascriptDialogOpening", "a dialog"),
            ("Runtime.exceptionThrown", "an exception"),
            ("Runtime.consoleAPICalled", "a word on the console"),
            ("Log.entryAdded", "an entry of the log"),
            ("Page.windowOpen", "a window"),
        ] {
            found.extend(events(method).iter().map(|event| format!("{what}: {event}")));
        }
        let requests = self.requests();
        found.extend(requests.iter().filter(|url| !is_here(url)).map(|url| format!("a request: {url}")));
        found
    }

    /// The addresses of all requests, oldest first.
    pub fn requests(&self) -> Vec<String> {
        let of = |event: &Value| event["request"]["url"].as_str().unwrap_or_default().to_owned();
        self.pipe.events(&self.session, "Network.requestWillBeSent").iter().map(of).collect()
    }
}

fn is_here(url: &str) -> bool {
    url.starts_with("http://127.0.0.1:") || url.starts_with("data:") || url == "about:blank"
}
