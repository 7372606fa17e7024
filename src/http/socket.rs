//! The Unix socket for the command line: whoever can open the file has full access.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::Router;
use axum::serve::Listener;
use tokio::net::{UnixListener, UnixStream};

use super::caller::Caller;
use super::{ServerLimits, serve};
use crate::lifecycle::Tasks;

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("cannot listen on the socket {}: {source}; its directory has to exist and be writable", path.display())]
    Bind {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} already exists and is not a socket: choose another path", path.display())]
    Occupied { path: PathBuf },
}

/// A bound socket, readable and writable for our own user alone. The file goes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Socket {
    /// Binds `path`. A socket that a dead server left there is replaced; that no living one has it is what the store's
    /// lock is for.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Bind { path: path.to_owned(), source };
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path).map_err(failed)?,
            Ok(_) => return Err(SocketError::Occupied { path: path.to_owned() }),
            Err(_) => {}
        }
        // Bound under another name first, so that nobody can connect before the mode is set.
        let mut hidden = path.as_os_str().to_owned();
        hidden.push(".new");
        let hidden = PathBuf::from(hidden);
        let _ = std::fs::remove_file(&hidden);
        let listener = UnixListener::bind(&hidden).map_err(failed)?;
        std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        std::fs::rename(&hidden, path).map_err(failed)?;
        Ok(Self { listener, file: SocketFile(path.to_owned()) })
    }

    /// Serves until the soft stop.
    pub async fn serve(self, router: Router, tasks: Tasks) {
        let Self { listener, file } = self;
        serve(Local(listener), router, ServerLimits::default(), tasks).await;
        drop(file);
    }
}

/// Its connections come with the user who has opened them.
struct Local(UnixListener);

impl Listener for Local {
    type Io = UnixStream;
    type Addr = Caller;

    async fn accept(&mut self) -> (UnixStream, Caller) {
        let (stream, _) = Listener::accept(&mut self.0).await;
        let caller = Caller::of(&stream);
        (stream, caller)
    }

    fn local_addr(&self) -> std::io::Result<Caller> {
        Ok(Caller::UNKNOWN)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
