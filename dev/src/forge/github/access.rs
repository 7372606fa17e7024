//! Finds out who asks the API, by the token.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::refusal;
use crate::forge::caller::Caller;
use crate::forge::config::DevApp;
use crate::forge::handle::DevForge;

#[derive(Deserialize)]
struct Claims {
    iss: serde_json::Value,
}

pub(super) async fn layer(State(forge): State<DevForge>, mut request: Request, next: Next) -> Response {
    match caller(&forge, request.headers()) {
        Some(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        None => refusal::unauthorized(),
    }
}

fn caller(forge: &DevForge, headers: &HeaderMap) -> Option<Caller> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let state = forge.state();
    if state.is_token(token) {
        return Some(Caller::Login(forge.0.config.login.clone()));
    }
    let app = forge.0.config.app.as_ref()?;
    if state.is_installation_token(token, forge.0.clock.now()) {
        return Some(Caller::Login(format!("{}[bot]", app.slug)));
    }
    is_app(app, token).then_some(Caller::App)
}

fn is_app(app: &DevApp, token: &str) -> bool {
    let Ok(key) = DecodingKey::from_rsa_pem(app.public_key_pem.as_bytes()) else { return false };
    let validation = Validation::new(Algorithm::RS256);
    let id = app.id.to_string();
    jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .is_ok_and(|token| token.claims.iss == app.id || token.claims.iss == *id)
}
