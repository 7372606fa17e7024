//! Which project a path is about. One that has moved is sent on by its number, for who reads.

use axum::extract::{FromRequestParts, OriginalUri, Path};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;

use crate::forge::gitlab::access::Login;
use crate::forge::gitlab::{refusal, reply};
use crate::forge::handle::DevForge;

/// The project of a request, and who asks.
pub(in crate::forge::gitlab) struct Place {
    pub project: String,
    pub login: String,
    /// The parts of the path after the project.
    pub rest: Vec<String>,
}

impl Place {
    pub(super) fn number(&self, at: usize) -> Option<u64> {
        self.rest.get(at)?.parse().ok()
    }
}

impl FromRequestParts<DevForge> for Place {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, forge: &DevForge) -> Result<Self, Response> {
        let Ok(Path(path)) = Path::<Vec<(String, String)>>::from_request_parts(parts, forge).await else {
            return Err(reply::no_project());
        };
        let mut values = path.into_iter().map(|(_, value)| value);
        let id = values.next().unwrap_or_default();
        let found = forge.state().find(&id).map(|(repo, moved)| (repo.full_name(), moved.then_some(repo.id)));
        let Some((project, moved)) = found else { return Err(reply::no_project()) };
        if let Some(number) = moved {
            return Err(refusal::moved(parts.method == Method::GET, &by_number(forge, parts, number)));
        }
        let login = parts.extensions.get::<Login>().map(|login| login.0.clone()).unwrap_or_default();
        Ok(Self { project, login, rest: values.collect() })
    }
}

/// The same address with the number in place of the name.
fn by_number(forge: &DevForge, parts: &Parts, number: u64) -> String {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let whole = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let start = format!("{}/projects/", crate::forge::dialect::Dialect::GitLab.api());
    let after = whole.strip_prefix(&start).unwrap_or_default();
    let rest = after.find(['/', '?']).map_or("", |at| &after[at..]);
    format!("{}/projects/{number}{rest}", forge.api_url())
}
