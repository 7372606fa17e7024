//! Watches the bytes of a connection for requests whose length is said twice (RFC 9112, 6.1): `Transfer-Encoding`
//! together with `Content-Length` is how a request is smuggled past a proxy that believes the other one. hyper drops
//! the length without a word, so it is looked for here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Longest name of a header that is of interest: `transfer-encoding`.
const NAME: usize = 17;

/// What was seen, for whoever answers the requests.
#[derive(Debug)]
pub(super) struct Framing {
    /// The request after which nothing of this connection is read.
    last: AtomicU64,
    contradicts: AtomicBool,
}

/// What is to become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framed {
    Clear,
    /// The connection ends with it, because where it ends is known to hyper alone, or because there were enough.
    Last,
    /// Its length is said twice.
    Contradicts,
}

impl Default for Framing {
    fn default() -> Self {
        Self { last: AtomicU64::new(u64::MAX), contradicts: AtomicBool::new(false) }
    }
}

impl Framing {
    /// `request` counts from 0.
    pub(super) fn of(&self, request: u64) -> Framed {
        if request < self.last.load(Ordering::Acquire) {
            Framed::Clear
        } else if self.contradicts.load(Ordering::Acquire) {
            Framed::Contradicts
        } else {
            Framed::Last
        }
    }
}

/// Follows requests from head to head.
#[derive(Debug, Default)]
pub(super) struct Sniffer {
    state: State,
    requests: u64,
}

#[derive(Debug)]
enum State {
    Head(Head),
    /// So many bytes are left of a body.
    Body(u64),
    /// Nothing more is looked at.
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

#[derive(Debug, Default)]
struct Head {
    /// The start line has begun: empty lines before it count for nothing.
    begun: bool,
    line: Vec<u8>,
    encoded: bool,
    length: Length,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Length {
    #[default]
    Unsaid,
    Said(u64),
    /// No number.
    Odd,
}

impl Sniffer {
    pub(super) fn feed(&mut self, mut bytes: &[u8], framing: &Framing) {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Done => return,
                State::Body(left) => {
                    let here = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= here as u64;
                    bytes = &bytes[here..];
                    if *left == 0 {
                        self.state = State::default();
                    }
                }
                State::Head(head) => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    head.add(&bytes[..end.unwrap_or(bytes.len())]);
                    bytes = end.map_or(&[], |end| &bytes[end + 1..]);
                    if end.is_some() && head.ends_line() {
                        self.state = head.judge(self.requests, framing);
                        self.requests += 1;
                    }
                }
            }
        }
    }
}

impl Head {
    /// Keeps as much of a line as can be of interest: a name, and the digits of a length.
    fn add(&mut self, bytes: &[u8]) {
        let room = (NAME + 64).saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether this line was the end of the head.
    fn ends_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return self.begun;
        }
        if !std::mem::replace(&mut self.begun, true) {
            return false;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..colon], line[colon..].get(1..).unwrap_or_default());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.encoded = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let number = std::str::from_utf8(value.trim_ascii()).ok().and_then(|text| text.parse().ok());
            self.length = number.map_or(Length::Odd, Length::Said);
        }
        false
    }

    fn judge(&self, request: u64, framing: &Framing) -> State {
        match (self.encoded, self.length) {
            (false, Length::Unsaid | Length::Said(0)) => State::default(),
            (false, Length::Said(length)) => State::Body(length),
            // hyper refuses a length that is no number.
            (false, Length::Odd) => State::Done,
            (true, length) => {
                framing.contradicts.store(length != Length::Unsaid, Ordering::Release);
                framing.last.store(request, Ordering::Release);
                State::Done
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen of each of the first three requests, whatever pieces the bytes come in.
    fn seen(bytes: &str) -> [Framed; 3] {
        let whole = in_pieces(bytes.as_bytes(), bytes.len());
        for size in 1..bytes.len() {
            assert_eq!(in_pieces(bytes.as_bytes(), size), whole, "in pieces of {size}");
        }
        whole
    }

    fn in_pieces(bytes: &[u8], size: usize) -> [Framed; 3] {
        let (mut sniffer, framing) = (Sniffer::default(), Framing::default());
        bytes.chunks(size).for_each(|piece| sniffer.feed(piece, &framing));
        [0, 1, 2].map(|request| framing.of(request))
    }

    /// L11: seen in either order, in any case, and behind other requests.
    #[test]
    fn a_length_said_twice_is_seen() {
        use Framed::{Clear, Contradicts};
        assert_eq!(
            seen("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            [Contradicts, Contradicts, Contradicts]
        );
        assert_eq!(seen("POST / HTTP/1.1\ntransfer-encoding:chunked\nCONTENT-LENGTH:5\n\n")[0], Contradicts);
        let second = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\n\n\n\r\nPOST / HTTP/1.1\r\nContent-Length: \
                      x\r\nTransfer-Encoding: x\r\n\r\n";
        assert_eq!(seen(second), [Clear, Contradicts, Contradicts]);
    }

    #[test]
    fn ordinary_requests_are_clear() {
        use Framed::{Clear, Last};
        assert_eq!(seen("GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), [Clear; 3]);
        let body = "POST / HTTP/1.1\r\nContent-Length: 45\r\n\r\nTransfer-Encoding: chunked\nContent-Length: 1\n\nGET \
                    / HTTP/1.1\r\n\r\n";
        assert_eq!(seen(body), [Clear; 3], "a body is no head");
        assert_eq!(seen("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), [Last; 3]);
    }
}
