//! The `DHCPv4` client as a state machine: what happened and the time go in, what to do comes out.
//!
//! Pure: no sockets, no clock, no dice of its own.
//!
//! | state | waits for | leaves to |
//! |---|---|---|
//! | Stopped | carrier | Selecting, or Rebooting when an address is remembered |
//! | Rebooting | ACK for the remembered address | Bound; Selecting on NAK or after two unanswered tries |
//! | Selecting | OFFER | Requesting |
//! | Requesting | ACK | Bound; Selecting on NAK or after four unanswered tries |
//! | Bound | T1 | Renewing |
//! | Renewing | ACK from our server (unicast) | Bound; Rebinding at T2; Selecting on NAK |
//! | Rebinding | ACK from any server (broadcast) | Bound; Selecting on NAK or when the lease ends |
//!
//! Losing the carrier keeps the address and remembers it: a cable that comes back within the lease
//! costs one question, and connections live on.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::lease::Lease;
use crate::message::{Kind, Message, option};

/// First pause between two unanswered questions; it doubles up to [`SLOWEST`]. The servers of
/// clouds answer within milliseconds: the four seconds of RFC 2131 would only delay boots.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between two unanswered questions.
const SLOWEST: Duration = Duration::from_secs(64);
/// Unanswered tries before a remembered address is given up.
const REBOOT_TRIES: u32 = 2;
/// Unanswered requests before another offer is sought.
const REQUEST_TRIES: u32 = 4;

/// What the client says about itself.
#[derive(Debug, Clone)]
pub struct Identity {
    pub mac: [u8; 6],
    pub client_id: Option<Vec<u8>>,
    pub host_name: Option<String>,
    pub broadcast: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Stopped,
    Rebooting,
    Selecting,
    Requesting,
    Bound,
    Renewing,
    Rebinding,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    CarrierUp,
    CarrierLost,
    Received(Message),
    /// The time of [`Client::deadline`] has come.
    Timer,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Receive answers (true) or stop receiving.
    Listen(bool),
    /// Send from 0.0.0.0 to everyone on the link.
    Broadcast(Vec<u8>),
    /// Send from our address to that server by the routing table.
    Unicast { server: Ipv4Addr, payload: Vec<u8> },
    /// Give the interface what the lease says; the time is when the answer came.
    Configure(Lease),
    /// Take the address away; the text says why.
    Withdraw(&'static str),
}

/// The client of one interface.
#[derive(Debug)]
pub struct Client {
    identity: Identity,
    state: State,
    xid: u32,
    dice: u32,
    began: Duration,
    tries: u32,
    deadline: Option<Duration>,
    remembered: Option<Ipv4Addr>,
    offer: Option<Lease>,
    lease: Option<(Duration, Lease)>,
}

impl Client {
    /// `seed` makes the transaction ids; `remembered` is an address that an earlier run was given.
    #[must_use]
    pub fn new(identity: Identity, seed: u32, remembered: Option<Ipv4Addr>) -> Self {
        Self {
            identity,
            state: State::Stopped,
            xid: seed,
            dice: seed | 1,
            began: Duration::ZERO,
            tries: 0,
            deadline: None,
            remembered,
            offer: None,
            lease: None,
        }
    }

    /// When [`Event::Timer`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Tells the client what happened at `now`.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Action> {
        match event {
            Event::CarrierUp if self.state == State::Stopped => self.start(now),
            Event::CarrierUp => vec![],
            Event::CarrierLost => self.stop(),
            Event::Received(message) => self.received(now, &message),
            Event::Timer => self.timer(now),
        }
    }

    fn start(&mut self, now: Duration) -> Vec<Action> {
        self.began = now;
        self.next_xid();
        self.tries = 0;
        self.state = if self.remembered.is_some() {
            State::Rebooting
        } else {
            State::Selecting
        };
        vec![Action::Listen(true), self.ask(now)]
    }

    fn stop(&mut self) -> Vec<Action> {
        let listening = !matches!(self.state, State::Stopped | State::Bound);
        if let Some((_, lease)) = &self.lease {
            self.remembered = Some(lease.address);
        }
        self.state = State::Stopped;
        self.deadline = None;
        if listening {
            vec![Action::Listen(false)]
        } else {
            vec![]
        }
    }

    fn timer(&mut self, now: Duration) -> Vec<Action> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return vec![];
        }
        match self.state {
            State::Stopped => vec![],
            State::Rebooting if self.tries >= REBOOT_TRIES => {
                self.remembered = None;
                let mut actions = self.give_up("nobody confirmed the address of the earlier run");
                actions.extend(self.start(now));
                actions
            }
            State::Requesting if self.tries >= REQUEST_TRIES => self.start(now),
            State::Rebooting | State::Selecting | State::Requesting => vec![self.ask(now)],
            State::Bound => {
                self.state = State::Renewing;
                self.began = now;
                self.next_xid();
                vec![Action::Listen(true), self.ask(now)]
            }
            State::Renewing | State::Rebinding => self.renew(now),
        }
    }

    fn renew(&mut self, now: Duration) -> Vec<Action> {
        let Some((since, lease)) = &self.lease else {
            return self.start(now);
        };
        let held = now.saturating_sub(*since);
        if lease.lifetime.is_some_and(|lifetime| held >= lifetime) {
            let mut actions = self.give_up("the lease ended and no server renewed it");
            actions.extend(self.start(now));
            return actions;
        }
        if held >= lease.t2 {
            self.state = State::Rebinding;
        }
        vec![self.ask(now)]
    }

    fn give_up(&mut self, why: &'static str) -> Vec<Action> {
        self.lease = None;
        self.remembered = None;
        vec![Action::Withdraw(why)]
    }

    fn received(&mut self, now: Duration, message: &Message) -> Vec<Action> {
        if message.request || message.xid != self.xid || message.chaddr != self.identity.mac {
            return vec![];
        }
        match (self.state, message.kind()) {
            (State::Selecting, Some(Kind::Offer)) => {
                let Some(offer) = Lease::from_message(message) else {
                    return vec![];
                };
                self.offer = Some(offer);
                self.state = State::Requesting;
                self.tries = 0;
                vec![self.ask(now)]
            }
            (
                State::Rebooting | State::Requesting | State::Renewing | State::Rebinding,
                Some(Kind::Ack),
            ) => {
                let Some(lease) = Lease::from_message(message) else {
                    return vec![];
                };
                self.bind(now, lease)
            }
            (
                State::Rebooting | State::Requesting | State::Renewing | State::Rebinding,
                Some(Kind::Nak),
            ) => {
                let mut actions = self.give_up("the server refused the address");
                actions.extend(self.start(now));
                actions
            }
            _ => vec![],
        }
    }

    fn bind(&mut self, now: Duration, lease: Lease) -> Vec<Action> {
        self.state = State::Bound;
        self.offer = None;
        self.remembered = Some(lease.address);
        self.deadline = lease.lifetime.map(|_| now + lease.t1);
        self.lease = Some((now, lease.clone()));
        vec![Action::Listen(false), Action::Configure(lease)]
    }

    /// The next question of the present state, and the time until it is asked again.
    fn ask(&mut self, now: Duration) -> Action {
        self.deadline = Some(now + self.pause(now));
        self.tries += 1;
        let kind = if self.state == State::Selecting {
            Kind::Discover
        } else {
            Kind::Request
        };
        let mut message = Message::from_client(kind, self.xid, self.identity.mac);
        message.secs = u16::try_from(now.saturating_sub(self.began).as_secs()).unwrap_or(u16::MAX);
        message.broadcast = self.identity.broadcast;
        self.describe(&mut message);
        let options = &mut message.options;
        match self.state {
            State::Rebooting => {
                if let Some(address) = self.remembered {
                    options.insert(option::REQUESTED_ADDRESS, address.octets().to_vec());
                }
            }
            State::Requesting => {
                if let Some(offer) = &self.offer {
                    options.insert(option::REQUESTED_ADDRESS, offer.address.octets().to_vec());
                    options.insert(option::SERVER_ID, offer.server.octets().to_vec());
                }
            }
            State::Renewing | State::Rebinding => {
                if let Some((_, lease)) = &self.lease {
                    message.ciaddr = lease.address;
                }
            }
            State::Stopped | State::Selecting | State::Bound => {}
        }
        let payload = message.encode();
        match (self.state, &self.lease) {
            (State::Renewing, Some((_, lease))) => Action::Unicast {
                server: lease.server,
                payload,
            },
            _ => Action::Broadcast(payload),
        }
    }

    fn describe(&self, message: &mut Message) {
        let options = &mut message.options;
        options.insert(
            option::PARAMETERS,
            vec![
                option::SUBNET_MASK,
                option::CLASSLESS_ROUTES,
                option::ROUTER,
                option::DNS,
                option::HOST_NAME,
                option::DOMAIN_NAME,
                option::MTU,
                option::NTP,
                option::LEASE_TIME,
                option::T1,
                option::T2,
                option::DOMAIN_SEARCH,
            ],
        );
        options.insert(option::MAX_SIZE, 1472_u16.to_be_bytes().to_vec());
        if let Some(id) = &self.identity.client_id {
            options.insert(option::CLIENT_ID, id.clone());
        }
        if let Some(name) = &self.identity.host_name {
            options.insert(option::HOST_NAME, name.clone().into_bytes());
        }
    }

    fn pause(&mut self, now: Duration) -> Duration {
        if let (State::Renewing | State::Rebinding, Some((since, lease))) =
            (self.state, &self.lease)
        {
            // Half of what is left until the next state, as RFC 2131 4.4.5 asks, never below a second.
            let held = now.saturating_sub(*since);
            let end = if held < lease.t2 {
                lease.t2
            } else {
                lease.lifetime.unwrap_or(lease.t2)
            };
            return (end.saturating_sub(held) / 2).max(Duration::from_secs(1));
        }
        let doubled = FIRST_PAUSE * 2_u32.pow(self.tries.min(6));
        // A tenth more or less, so that a rack that gets its power back does not ask as one.
        let jitter = doubled.min(SLOWEST) / 10 * (self.roll() % 100) / 100;
        doubled.min(SLOWEST) + jitter
    }

    fn next_xid(&mut self) {
        self.xid = self.xid.wrapping_add(self.roll());
    }

    fn roll(&mut self) -> u32 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 17;
        self.dice ^= self.dice << 5;
        self.dice
    }
}

#[cfg(test)]
mod tests;
