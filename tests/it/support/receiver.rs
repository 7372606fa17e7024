//! Takes webhooks, checks their signature, and remembers what came.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};

type Seen = Arc<Mutex<Vec<String>>>;

pub struct Receiver {
    pub url: String,
    seen: Seen,
}

impl Receiver {
    pub async fn start(secret: &'static str) -> Self {
        Self::at(secret, "/").await
    }

    pub async fn at(secret: &'static str, path: &str) -> Self {
        let seen = Seen::default();
        let receive = post(move |state, headers, body| receive(secret, state, headers, body));
        let router = Router::new().route(path, receive).with_state(seen.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}{path}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// What came since the last time: the event and its action.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().expect("not poisoned"))
    }
}

#[allow(clippy::unused_async, reason = "a handler")]
async fn receive(secret: &str, State(seen): State<Seen>, headers: HeaderMap, body: Bytes) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(&body);
    let signed = format!("sha256={}", hex::encode(mac.finalize().into_bytes())) == text("x-hub-signature-256");
    let payload: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let action =
        payload.get("action").and_then(|action| action.as_str()).map(|action| format!(" {action}")).unwrap_or_default();
    let line = if signed { format!("{}{action}", text("x-github-event")) } else { "bad signature".to_owned() };
    seen.lock().expect("not poisoned").push(line);
}
