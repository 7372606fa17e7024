//! What the whole test run logs, kept so that a test can look for what must not be in it.

use std::io;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing_subscriber::EnvFilter;

/// More than a whole run writes; beyond it the oldest half goes.
const MOST: usize = 128 << 20;

static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Keeps what is logged from now on. `DRIFTLESS_TEST_LOG` names a filter for what is shown on the screen beside it.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = std::env::var("DRIFTLESS_TEST_LOG").unwrap_or_else(|_| "info,driftless=debug".to_owned());
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_ansi(false).with_writer(|| Keeper);
        subscriber.try_init().expect("nobody else takes the log");
    });
}

/// All that was logged so far.
pub fn kept() -> String {
    String::from_utf8_lossy(&lock()).into_owned()
}

struct Keeper;

impl io::Write for Keeper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::env::var_os("DRIFTLESS_TEST_LOG").is_some() {
            io::stderr().write_all(bytes)?;
        }
        let mut kept = lock();
        if kept.len() > MOST {
            kept.drain(..MOST / 2);
        }
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock() -> MutexGuard<'static, Vec<u8>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}
