//! A small forge on this machine: bare repositories, a REST API, webhooks and refs as GitHub or GitLab has them, and a
//! page to click on.
//!
//! It keeps state as they do, so that a test reads like a story, and misbehaves on demand. `driftless dev` runs on it
//! as well. The state is one; each dialect has a folder.

mod caller;
mod config;
mod deliver;
mod dialect;
mod error;
mod fault;
mod git;
mod github;
mod gitlab;
mod handle;
mod merge;
mod misbehave;
mod occasion;
mod page;
mod paging;
mod record;
mod refusal;
mod settings;
mod shown;
mod state;
mod user;
mod view;

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use crate::git_http::{GitHttp, GitHttpConfig, GitServer};
use driftless_base::clock::Clock;
use driftless_base::lifecycle::Tasks;

pub use config::{DevApp, DevForgeConfig};
pub use deliver::DeliveryFault;
pub use dialect::Dialect;
pub use error::DevForgeError;
pub use fault::{ApiFault, Faults};
pub use git::GitError;
pub use gitlab::PipelineKind;
pub use handle::DevForge;
pub use settings::Settings;
pub use shown::{CommentView, PullView, StatusView};

use handle::Inner;
use state::State;

/// What a request that has begun gets at the end.
const LAST_ANSWERS: std::time::Duration = std::time::Duration::from_secs(1);

impl DevForge {
    /// Serves until the tasks are stopped.
    pub async fn start(config: DevForgeConfig, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<Self, DevForgeError> {
        let listen = config.listen;
        let failed = move |source| DevForgeError::Listen { address: listen, source };
        let listener = tokio::net::TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let postman = deliver::Postman::start(tasks, clock.clone());
        let state = Mutex::new(State::new(&config.token, Settings::of(config.dialect)));
        let forge = Self(Arc::new(Inner {
            config,
            address,
            clock,
            state,
            faults: Faults::default(),
            postman,
            git: OnceLock::new(),
        }));
        forge.serve_git(tasks).await.map_err(failed)?;
        let api = match forge.0.config.dialect {
            Dialect::GitHub => github::router(forge.clone()),
            Dialect::GitLab => gitlab::router(forge.clone()),
        };
        let router = api.merge(page::router(forge.clone()));
        let stop = tasks.soft().clone();
        tasks.spawn("embedded forge", async move {
            let serve = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
            tokio::select! {
                ended = serve => if let Err(error) = ended {
                    tracing::error!(%error, "the embedded forge ended");
                },
                // Clients keep their connections open for as long as they may.
                () = async { stop.cancelled().await; tokio::time::sleep(LAST_ANSWERS).await } => {}
            }
        });
        Ok(forge)
    }

    /// Git has a listener of its own. Each push is looked at after it was answered, in order.
    async fn serve_git(&self, tasks: &Tasks) -> io::Result<()> {
        let (pushed, mut pushes) = tokio::sync::mpsc::unbounded_channel::<String>();
        let mut git = GitHttpConfig::new(&self.0.config.dir);
        git.faults = self.0.config.git_faults.clone();
        let forge = self.clone();
        git.auth = Some(Arc::new(move |_, password| forge.may_use_git(password)));
        git.on_push = Some(Arc::new(move |project, _| {
            // The receiver is gone when the forge has stopped.
            let _ = pushed.send(project.to_owned());
        }));
        let server = GitServer::serve(GitHttp::router(git), self.0.config.git_tls.as_ref(), tasks).await?;
        // It was empty: this is called once.
        let _ = self.0.git.set(server);
        let (forge, stop) = (self.clone(), tasks.soft().clone());
        tasks.spawn("pushes", async move {
            while let Some(Some(project)) = stop.run_until_cancelled(pushes.recv()).await {
                if let Err(error) = forge.refs_changed(&project).await {
                    tracing::warn!(project, %error, "a push was not seen");
                }
            }
        });
        Ok(())
    }
}
