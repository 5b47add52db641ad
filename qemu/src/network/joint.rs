//! A connection of a guest joined to a socket of the host: bytes both ways, with back-pressure, and each side's
//! end carried over to the other.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use smoltcp::socket::tcp;

use super::link::is_wait;

/// What may wait in each direction.
const WAITING: usize = 256 * 1024;

/// The host's side of a joined connection.
#[derive(Debug)]
pub(super) struct Joint {
    host: TcpStream,
    to_guest: Vec<u8>,
    to_host: Vec<u8>,
    host_ended: bool,
    guest_ended: bool,
    broken: bool,
}

impl Joint {
    /// Takes the host's socket.
    pub(super) fn new(host: TcpStream) -> io::Result<Joint> {
        host.set_nonblocking(true)?;
        host.set_nodelay(true)?;
        Ok(Joint {
            host,
            to_guest: Vec::new(),
            to_host: Vec::new(),
            host_ended: false,
            guest_ended: false,
            broken: false,
        })
    }

    pub(super) fn host(&self) -> &TcpStream {
        &self.host
    }

    pub(super) fn wants_read(&self) -> bool {
        !self.host_ended && !self.broken && self.to_guest.len() < WAITING
    }

    pub(super) fn wants_write(&self) -> bool {
        !self.broken && !self.to_host.is_empty()
    }

    /// Moves what can be moved. `seen` tells a connection that is not up yet from one that has ended.
    pub(super) fn pump(&mut self, socket: &mut tcp::Socket<'_>, seen: bool) {
        self.read_host();
        // A host that leaves before the guest has answered wants nothing any more.
        self.broken |= !seen && self.host_ended && self.to_guest.is_empty();
        while socket.can_send() && !self.to_guest.is_empty() {
            match socket.send_slice(&self.to_guest) {
                Ok(count) if count > 0 => drop(self.to_guest.drain(..count)),
                _ => break,
            }
        }
        while socket.can_recv() && self.to_host.len() < WAITING {
            let room = WAITING - self.to_host.len();
            let to_host = &mut self.to_host;
            let taken = socket.recv(|bytes| {
                let count = bytes.len().min(room);
                to_host.extend_from_slice(&bytes[..count]);
                (count, count)
            });
            if !matches!(taken, Ok(count) if count > 0) {
                break;
            }
        }
        self.write_host();
        if self.host_ended && self.to_guest.is_empty() && seen {
            socket.close();
        }
        let guest_done = (seen && !socket.may_recv()) || !socket.is_open();
        if guest_done && self.to_host.is_empty() && !self.guest_ended {
            self.guest_ended = true;
            // A socket that the host has already closed cannot be shut down again; nothing is lost.
            let _ = self.host.shutdown(Shutdown::Write);
        }
        if self.broken {
            socket.abort();
        }
    }

    /// Has everything been said in both directions?
    pub(super) fn finished(&self, guest_has_more: bool) -> bool {
        self.broken || (!guest_has_more && self.to_host.is_empty())
    }

    fn read_host(&mut self) {
        let mut room = [0; 64 * 1024];
        while self.wants_read() {
            match self.host.read(&mut room) {
                Ok(0) => self.host_ended = true,
                Ok(count) => self.to_guest.extend_from_slice(&room[..count]),
                Err(error) if is_wait(&error) => return,
                Err(_) => self.broken = true,
            }
        }
    }

    fn write_host(&mut self) {
        let mut done = 0;
        while done < self.to_host.len() {
            match self.host.write(&self.to_host[done..]) {
                Ok(count) => done += count,
                Err(error) if is_wait(&error) => break,
                Err(_) => {
                    self.broken = true;
                    done = self.to_host.len();
                }
            }
        }
        self.to_host.drain(..done);
    }
}
