//! Takes webhooks and keeps them as they came.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;

type Letters = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

pub struct Inbox {
    pub url: String,
    letters: Letters,
}

impl Inbox {
    pub async fn start() -> Self {
        let letters = Letters::default();
        let receive = post(async |State(letters): State<Letters>, headers: HeaderMap, body: Bytes| {
            letters.lock().expect("not poisoned").push((headers, body));
        });
        let router = Router::new().route("/", receive).with_state(letters.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, letters }
    }

    /// What came since the last time.
    pub fn take(&self) -> Vec<(HeaderMap, Bytes)> {
        std::mem::take(&mut *self.letters.lock().expect("not poisoned"))
    }
}
