//! The Git server on a port of its own, over https or, on loopback, over http.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;

use super::{GitHttp, GitHttpConfig};
use crate::tls::DevTls;
use driftless_base::lifecycle::Tasks;

/// A server on a free port of 127.0.0.1. It stops when it is dropped or its tasks are stopped hard.
pub struct GitServer {
    address: SocketAddr,
    scheme: &'static str,
    handle: Handle<SocketAddr>,
}

impl GitServer {
    /// Serves over https with this certificate, or over http without one.
    pub async fn start(config: GitHttpConfig, tls: Option<&DevTls>, tasks: &Tasks) -> io::Result<Self> {
        Self::serve(GitHttp::router(config), tls, tasks).await
    }

    /// Serves any router in the same way. Git's answers are streamed in small pieces: without `TCP_NODELAY` each second
    /// one waits 40 ms for the client's acknowledgement.
    pub async fn serve(router: Router, tls: Option<&DevTls>, tasks: &Tasks) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let handle = Handle::new();
        let service = router.into_make_service();
        let scheme = if let Some(tls) = tls {
            let acceptor = RustlsAcceptor::new(tls.rustls().await?).acceptor(NoDelayAcceptor::new());
            let server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle.clone());
            tasks.spawn("git over https", server.serve(service));
            "https"
        } else {
            let server = axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor::new()).handle(handle.clone());
            tasks.spawn("git over http", server.serve(service));
            "http"
        };
        let (soft, stopped) = (tasks.soft().clone(), handle.clone());
        tasks.spawn("git's stop", async move {
            soft.cancelled().await;
            stopped.shutdown();
        });
        Ok(Self { address, scheme, handle })
    }

    /// `https://localhost:PORT`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}
