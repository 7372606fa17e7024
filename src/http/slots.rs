//! Who may have a connection. Room is always made for a new one: in its place the one ends that has gone longest
//! without a signed delivery, of the peer that holds the most. So silence is never worth a connection, and a crowd from
//! one address costs nobody else anything.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::caller::Caller;

/// Whoever connects, as far as its connections are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// An IPv4 address, or the first half of an IPv6 address, which one customer usually has all of.
    Network(IpAddr),
    /// Everybody who may open the Unix socket.
    Local,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Network(match address.ip().to_canonical() {
            IpAddr::V4(ip) => ip.into(),
            IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) >> 64 << 64).into(),
        })
    }
}

impl From<Caller> for Peer {
    fn from(_: Caller) -> Self {
        Self::Local
    }
}

#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    total: usize,
    per_peer: usize,
    /// Of each peer its connections, the longest without merit first.
    held: HashMap<Peer, BTreeMap<u64, CancellationToken>>,
    count: usize,
    next: u64,
}

/// One connection's place, counted from when it was accepted until this is dropped or the place is given to another.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    peer: Peer,
    turn: Mutex<u64>,
    displaced: CancellationToken,
}

impl Slots {
    pub(super) fn new(total: usize, per_peer: usize) -> Self {
        let (total, per_peer) = (total.max(1), per_peer.clamp(1, total.max(1)));
        Self(Arc::new(Mutex::new(Table { total, per_peer, held: HashMap::new(), count: 0, next: 0 })))
    }

    pub(super) fn take(&self, peer: Peer) -> Slot {
        let displaced = CancellationToken::new();
        let turn = self.with(|table| {
            while table.of(peer) >= table.per_peer {
                table.displace(peer);
            }
            while table.count >= table.total {
                let Some(most) = table.most() else { break };
                table.displace(most);
            }
            table.insert(peer, displaced.clone())
        });
        Slot { slots: self.clone(), peer, turn: Mutex::new(turn), displaced }
    }

    fn with<T>(&self, use_table: impl FnOnce(&mut Table) -> T) -> T {
        use_table(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Table {
    fn of(&self, peer: Peer) -> usize {
        self.held.get(&peer).map_or(0, BTreeMap::len)
    }

    fn most(&self) -> Option<Peer> {
        self.held.iter().max_by_key(|(peer, held)| (held.len(), **peer)).map(|(peer, _)| *peer)
    }

    fn displace(&mut self, peer: Peer) {
        let oldest = self.held.get(&peer).and_then(|held| held.keys().next().copied());
        if let Some(connection) = oldest.and_then(|turn| self.remove(peer, turn)) {
            connection.cancel();
        }
    }

    fn insert(&mut self, peer: Peer, connection: CancellationToken) -> u64 {
        let turn = self.next;
        self.next += 1;
        self.count += 1;
        self.held.entry(peer).or_default().insert(turn, connection);
        turn
    }

    fn remove(&mut self, peer: Peer, turn: u64) -> Option<CancellationToken> {
        let held = self.held.get_mut(&peer)?;
        let connection = held.remove(&turn)?;
        if held.is_empty() {
            self.held.remove(&peer);
        }
        self.count -= 1;
        Some(connection)
    }
}

impl Slot {
    /// Ends when the place was given to another connection.
    pub(super) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }

    /// The connection has brought a signed delivery: it is the last to lose its place.
    pub(super) fn deserves(&self) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.slots.with(|table| {
            if let Some(connection) = table.remove(self.peer, *turn) {
                *turn = table.insert(self.peer, connection);
            }
        });
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let turn = *self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.slots.with(|table| table.remove(self.peer, turn));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::from(SocketAddr::new(text.parse().expect("an address"), 1))
    }

    fn living(slots: &[Slot]) -> Vec<bool> {
        slots.iter().map(|slot| !slot.displaced.is_cancelled()).collect()
    }

    /// X8: the longest silent connection of the same peer makes room, and the count follows at once.
    #[test]
    fn a_peer_at_its_cap_displaces_its_own_oldest() {
        let slots = Slots::new(10, 2);
        let (crowd, honest) = (peer("192.0.2.1"), peer("192.0.2.2"));
        let held = [slots.take(crowd), slots.take(honest), slots.take(crowd), slots.take(crowd)];
        assert_eq!(living(&held), [false, true, true, true]);
        assert_eq!(slots.with(|table| (table.count, table.of(crowd))), (3, 2));
        drop(held);
        assert_eq!(
            slots.with(|table| (table.count, table.held.len())),
            (0, 0),
            "also the place that was lost is counted once"
        );
    }

    /// X8: where all places are taken, whoever has the most loses one.
    #[test]
    fn a_full_server_takes_from_the_peer_with_the_most() {
        let slots = Slots::new(4, 3);
        let held = [
            slots.take(peer("192.0.2.1")),
            slots.take(peer("192.0.2.2")),
            slots.take(peer("192.0.2.2")),
            slots.take(peer("192.0.2.2")),
            slots.take(peer("192.0.2.3")),
        ];
        assert_eq!(living(&held), [true, false, true, true, true]);
    }

    /// X8: a connection that brings signed deliveries outlives those that bring nothing.
    #[test]
    fn merit_keeps_a_connection() {
        let slots = Slots::new(4, 2);
        let (first, second) = (slots.take(Peer::Local), slots.take(Peer::Local));
        first.deserves();
        let third = slots.take(Peer::Local);
        assert_eq!(living(&[first, second, third]), [true, false, true]);
    }

    #[test]
    fn a_network_is_one_peer() {
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }
}
