//! The frames between the server and a worker: the length of the header (4 bytes, big-endian), the header as JSON, the
//! length of the body (8 bytes, big-endian), the body.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::error::Failure;

/// The version of the frames and headers that we speak.
pub(super) const PROTOCOL: u32 = 1;

const MAX_HEADER: usize = 16 << 20;

/// What a worker says.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Said {
    Hello {
        protocol: u32,
        libraries: std::collections::BTreeMap<String, String>,
    },
    Read {
        path: String,
    },
    Stat {
        path: String,
    },
    List {
        path: String,
    },
    Rendered {
        renderer: String,
        #[serde(default, deserialize_with = "or_default")]
        warnings: Vec<String>,
        #[serde(default, deserialize_with = "or_default")]
        volatile: Vec<Volatile>,
    },
    Failed {
        failure: Failure,
        panicked: bool,
    },
}

#[derive(Debug, Deserialize)]
pub(super) struct Volatile {
    pub object: usize,
    pub pointer: String,
}

/// Go writes an absent list as null.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What we answer to a worker's question about a path.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Answer {
    File {
        path: String,
    },
    Directory {
        path: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        entries: Vec<Name>,
    },
    Missing,
    Refused {
        path: String,
        message: String,
    },
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Name {
    pub name: String,
    /// `file`, `directory` or `link`.
    pub kind: &'static str,
}

pub(super) fn send(out: &mut impl Write, header: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(header)?;
    let length = u32::try_from(head.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&head)?;
    out.write_all(&(body.len() as u64).to_be_bytes())?;
    out.write_all(body)?;
    out.flush()
}

/// What came instead of a frame.
#[derive(Debug)]
pub(super) enum NoFrame {
    /// The worker is gone.
    Ended,
    /// The body would be larger than allowed.
    TooLarge,
    Garbage(String),
    Io(io::Error),
}

impl From<io::Error> for NoFrame {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => NoFrame::Ended,
            _ => NoFrame::Io(error),
        }
    }
}

pub(super) fn receive(from: &mut impl Read, max_body: usize) -> Result<(Said, Vec<u8>), NoFrame> {
    let mut short = [0; 4];
    from.read_exact(&mut short)?;
    let head = take(from, u64::from(u32::from_be_bytes(short)), MAX_HEADER)?;
    let mut long = [0; 8];
    from.read_exact(&mut long)?;
    let body = take(from, u64::from_be_bytes(long), max_body)?;
    let said = serde_json::from_slice(&head).map_err(|error| NoFrame::Garbage(error.to_string()))?;
    Ok((said, body))
}

/// Reads as the bytes come: a length that is only claimed costs no memory.
fn take(from: &mut impl Read, length: u64, max: usize) -> Result<Vec<u8>, NoFrame> {
    if length > max as u64 {
        return Err(NoFrame::TooLarge);
    }
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length {
        return Err(NoFrame::Ended);
    }
    Ok(bytes)
}
