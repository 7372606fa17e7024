//! Reads a body within bounds: of its size, of the time it takes, of how many are read at once and of what they hold
//! together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refused::Refused;
use crate::http::Problem;

/// What deliveries may cost before anybody has proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeLimits {
    /// The longest body, in bytes. GitHub and GitLab send no more than 25 MB.
    pub body: usize,
    /// The time that a whole body may take. Forges wait for ten seconds.
    pub time: Duration,
    /// Bodies that are read at once.
    pub bodies: usize,
    /// What each may hold without counting: most deliveries are shorter, and no crowd of long ones keeps them out.
    pub free: usize,
    /// What they may hold together beyond that, in bytes. A body counts as it comes in, so that a promise alone costs
    /// nothing.
    pub together: usize,
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self { body: 25 << 20, time: Duration::from_secs(10), bodies: 1_280, free: 128 << 10, together: 128 << 20 }
    }
}

pub(super) struct Bodies {
    limits: IntakeLimits,
    slots: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// A whole body, which counts against the limits as long as it lives.
pub(super) struct HeldBody {
    bytes: Bytes,
    _slot: OwnedSemaphorePermit,
    _room: Option<OwnedSemaphorePermit>,
}

impl HeldBody {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    pub(super) fn new(limits: IntakeLimits) -> Self {
        let room = limits.together.min(Semaphore::MAX_PERMITS);
        Self { limits, slots: Arc::new(Semaphore::new(limits.bodies)), room: Arc::new(Semaphore::new(room)) }
    }

    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<HeldBody, Refused> {
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse::<u64>().ok());
        if announced.is_some_and(|length| length > self.limits.body as u64) {
            return Err(self.too_large());
        }
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| busy())?;
        let (bytes, room) =
            tokio::time::timeout(self.limits.time, self.collect(body)).await.map_err(|_| self.too_slow())??;
        Ok(HeldBody { bytes, _slot: slot, _room: room })
    }

    async fn collect(&self, mut body: Body) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refused> {
        let mut chunks: Vec<Bytes> = Vec::new();
        let mut length = 0;
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let Ok(chunk) = frame.map_err(|_| broken())?.into_data() else { continue };
            length += chunk.len();
            if length > self.limits.body {
                return Err(self.too_large());
            }
            let counted = length.saturating_sub(self.limits.free).min(chunk.len());
            let permits = u32::try_from(counted).map_err(|_| self.too_large())?;
            let more = self.room.clone().try_acquire_many_owned(permits).map_err(|_| busy())?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            chunks.push(chunk);
        }
        Ok((joined(chunks, length), room))
    }

    fn too_large(&self) -> Refused {
        let message = format!("the body is longer than {} bytes, the limit", self.limits.body);
        Refused::new("too_large", Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message))
    }

    fn too_slow(&self) -> Refused {
        let message = format!("the body was not received within {} s: send it again", self.limits.time.as_secs_f32());
        Refused::new("too_slow", Problem::new(StatusCode::REQUEST_TIMEOUT, message))
    }
}

fn joined(mut chunks: Vec<Bytes>, length: usize) -> Bytes {
    if chunks.len() == 1 {
        return chunks.remove(0);
    }
    let mut whole = Vec::with_capacity(length);
    for chunk in &chunks {
        whole.extend_from_slice(chunk);
    }
    whole.into()
}

fn busy() -> Refused {
    Refused::new(
        "overloaded",
        Problem::overloaded("too many deliveries are being read: send it again in a few seconds"),
    )
}

fn broken() -> Refused {
    Refused::new(
        "broken",
        Problem::new(
            StatusCode::BAD_REQUEST,
            "the body ended early or is not framed as its headers say: send it again",
        ),
    )
}
