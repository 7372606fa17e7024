//! Webhooks: sent in order unless told otherwise, and kept for redelivery.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use driftless_base::clock::Clock;
use driftless_base::lifecycle::Tasks;

/// Deliveries that are kept for redelivery.
const KEPT: usize = 1000;

/// GitHub and GitLab wait so long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happens to one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFault {
    None,
    Drop,
    Double,
    Late(Duration),
    /// Comes after the one that follows it.
    Reorder,
    /// A byte of the body is changed after it was signed.
    Tamper,
}

/// One delivery, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub url: String,
    pub hook: u64,
    pub event: String,
    /// The same when it is sent again.
    pub guid: String,
    /// With what proves who sent it.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// One delivery and how it was answered.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub id: u64,
    pub letter: Letter,
    pub redelivery: bool,
    pub status: Option<u16>,
    pub at: jiff::Timestamp,
}

#[derive(Clone)]
pub(super) struct Postman(Arc<Inner>);

struct Inner {
    queue: mpsc::UnboundedSender<(Letter, bool)>,
    faults: Mutex<VecDeque<DeliveryFault>>,
    log: Mutex<VecDeque<Sent>>,
    /// How many letters were posted and not yet answered.
    open: watch::Sender<usize>,
    next: Mutex<u64>,
    clock: Arc<dyn Clock>,
}

impl Postman {
    pub(super) fn start(tasks: &Tasks, clock: Arc<dyn Clock>) -> Self {
        let (queue, letters) = mpsc::unbounded_channel();
        let inner = Inner {
            queue,
            faults: Mutex::default(),
            log: Mutex::default(),
            open: watch::Sender::new(0),
            next: Mutex::new(0),
            clock,
        };
        let postman = Self(Arc::new(inner));
        tasks.spawn("webhook deliveries", postman.clone().run(letters, tasks.clone()));
        postman
    }

    pub(super) fn fail(&self, faults: impl IntoIterator<Item = DeliveryFault>) {
        lock(&self.0.faults).extend(faults);
    }

    pub(super) fn post(&self, letter: Letter) {
        self.0.open.send_modify(|open| *open += 1);
        // The receiver is gone when the forge has stopped.
        let _ = self.0.queue.send((letter, false));
    }

    pub(super) fn redeliver(&self, id: u64) -> bool {
        let found = lock(&self.0.log).iter().find(|sent| sent.id == id).map(|sent| sent.letter.clone());
        found.is_some_and(|letter| {
            self.0.open.send_modify(|open| *open += 1);
            self.0.queue.send((letter, true)).is_ok()
        })
    }

    /// Newest first.
    pub(super) fn log(&self, hook: u64) -> Vec<Sent> {
        lock(&self.0.log).iter().rev().filter(|sent| sent.letter.hook == hook).cloned().collect()
    }

    pub(super) async fn idle(&self) {
        // The sender lives as long as this does.
        let _ = self.0.open.subscribe().wait_for(|open| *open == 0).await;
    }

    async fn run(self, mut letters: mpsc::UnboundedReceiver<(Letter, bool)>, tasks: Tasks) {
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build();
        let Ok(client) = client else { return tracing::error!("webhooks cannot be sent: no HTTP client") };
        let mut held: Option<Letter> = None;
        loop {
            let next = tokio::select! {
                () = tasks.soft().cancelled() => return,
                next = letters.recv() => next,
            };
            let Some((letter, redelivery)) = next else { return };
            let fault = if redelivery { None } else { lock(&self.0.faults).pop_front() };
            match fault.unwrap_or(DeliveryFault::None) {
                DeliveryFault::None => self.send(&client, &letter, redelivery).await,
                DeliveryFault::Drop => self.note(&letter, redelivery, None),
                DeliveryFault::Double => {
                    self.attempt(&client, &letter).await;
                    self.send(&client, &letter, redelivery).await;
                }
                DeliveryFault::Late(by) => {
                    let (postman, client) = (self.clone(), client.clone());
                    tasks.spawn("late delivery", async move {
                        tokio::time::sleep(by).await;
                        postman.send(&client, &letter, false).await;
                    });
                    continue;
                }
                DeliveryFault::Reorder => {
                    held = Some(letter);
                    continue;
                }
                DeliveryFault::Tamper => {
                    let mut changed = letter.clone();
                    if let Some(byte) = changed.body.iter_mut().find(|byte| byte.is_ascii_digit()) {
                        *byte = if *byte == b'0' { b'1' } else { b'0' };
                    }
                    self.send(&client, &changed, redelivery).await;
                }
            }
            if let Some(letter) = held.take() {
                self.send(&client, &letter, false).await;
            }
        }
    }

    async fn send(&self, client: &reqwest::Client, letter: &Letter, redelivery: bool) {
        let status = self.attempt(client, letter).await;
        self.note(letter, redelivery, status);
    }

    async fn attempt(&self, client: &reqwest::Client, letter: &Letter) -> Option<u16> {
        let request = client.post(&letter.url).header("content-type", "application/json").body(letter.body.clone());
        let request = letter.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        match request.send().await {
            Ok(answer) => Some(answer.status().as_u16()),
            // Nobody listens while the server stops and starts, or stops listening halfway.
            Err(error) if error.is_connect() || error.is_request() => None,
            Err(error) => {
                tracing::warn!(event = letter.event, error = %error.without_url(), "a webhook could not be delivered");
                None
            }
        }
    }

    fn note(&self, letter: &Letter, redelivery: bool, status: Option<u16>) {
        let id = {
            let mut next = lock(&self.0.next);
            *next += 1;
            *next
        };
        {
            let mut log = lock(&self.0.log);
            log.push_back(Sent { id, letter: letter.clone(), redelivery, status, at: self.0.clock.now() });
            if log.len() > KEPT {
                log.pop_front();
            }
        }
        self.0.open.send_modify(|open| *open = open.saturating_sub(1));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
