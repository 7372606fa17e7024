//! The `DevTools` protocol on a pipe: JSON texts that end with a zero byte, answers by number, and events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::oneshot;

/// No answer takes longer, on a machine that does other things as well.
const ANSWER: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Pipe(Arc<Inner>);

struct Inner {
    to: tokio::sync::Mutex<ChildStdin>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    number: u64,
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    events: Vec<Value>,
}

impl Pipe {
    pub fn new(to: ChildStdin, from: ChildStdout) -> Self {
        let pipe = Self(Arc::new(Inner { to: to.into(), heard: Mutex::default() }));
        tokio::spawn(pipe.clone().listen(from));
        pipe
    }

    /// Asks the browser, or the tab of a session.
    pub async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, String> {
        let (answer, answered) = oneshot::channel();
        let number = {
            let mut heard = self.heard();
            heard.number += 1;
            let number = heard.number;
            heard.waiting.insert(number, answer);
            number
        };
        let mut message = json!({"id": number, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.0.to.lock().await.write_all(&bytes).await.map_err(|error| format!("{method}: {error}"))?;
        let answer = tokio::time::timeout(ANSWER, answered)
            .await
            .map_err(|_| format!("{method}: no answer within {ANSWER:?}"))?;
        let mut answer = answer.map_err(|_| format!("{method}: it has ended"))?;
        if answer["error"].is_null() {
            Ok(answer["result"].take())
        } else {
            Err(format!("{method}: {}", answer["error"]))
        }
    }

    /// The parameters of all events of a kind in a session, oldest first.
    pub fn events(&self, session: &str, method: &str) -> Vec<Value> {
        let heard = self.heard();
        let of_it = heard.events.iter().filter(|event| event["sessionId"] == session && event["method"] == method);
        of_it.map(|event| event["params"].clone()).collect()
    }

    async fn listen(self, from: ChildStdout) {
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        while matches!(from.read_until(0, &mut bytes).await, Ok(length) if length > 0) {
            let message: Value = serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes)).unwrap_or_default();
            let mut heard = self.heard();
            match message["id"].as_u64().and_then(|number| heard.waiting.remove(&number)) {
                // Whoever asked may have given up.
                Some(waiting) => drop(waiting.send(message)),
                None => heard.events.push(message),
            }
            bytes.clear();
        }
        // Nobody is answered any more.
        self.heard().waiting.clear();
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
