//! A fixed address before a server that may restart on another one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use driftless::lifecycle::Tasks;
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub struct Relay {
    pub address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
}

impl Relay {
    /// Refuses whoever comes until it is told where to go.
    pub async fn start(tasks: &Tasks) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let relay = Self { address: listener.local_addr().expect("an address"), target: Arc::default() };
        tasks.spawn("relay", relay.clone().run(listener));
        relay
    }

    pub fn lead_to(&self, target: Option<SocketAddr>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    async fn run(self, listener: TcpListener) {
        while let Ok((mut inner, _)) = listener.accept().await {
            let target = *self.target.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(target) = target else { continue };
            tokio::spawn(async move {
                if let Ok(mut outer) = TcpStream::connect(target).await {
                    let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
                }
            });
        }
    }
}
