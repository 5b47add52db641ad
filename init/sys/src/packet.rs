//! Packet sockets for a DHCP client: raw IPv4 before an interface has an address.
//!
//! It opens, sends and receives; what the bytes mean is the caller's business.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A socket that sees the IPv4 packets of one interface whose UDP destination port is the one given.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    index: i32,
}

const ETH_P_IP: u16 = 0x0800;

/// One classic BPF instruction.
const fn op(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// "UDP, not a later fragment, to this port": everything else is dropped in the kernel.
const fn udp_port_filter(port: u16) -> [libc::sock_filter; 9] {
    [
        op(0x30, 0, 0, 9),           // A = protocol
        op(0x15, 0, 6, 17),          // UDP?
        op(0x28, 0, 0, 6),           // A = flags and fragment offset
        op(0x45, 4, 0, 0x1fff),      // a later fragment is dropped
        op(0xb1, 0, 0, 0),           // X = length of the IP header
        op(0x48, 0, 0, 2),           // A = UDP destination port
        op(0x15, 0, 1, port as u32), // ours?
        op(0x06, 0, 0, 0xffff),      // take it whole
        op(0x06, 0, 0, 0),           // drop it
    ]
}

fn check(rc: libc::c_int) -> io::Result<libc::c_int> {
    if rc < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(rc)
    }
}

/// The size of a kernel structure, for the calls that ask for it.
fn size_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(mem::size_of::<T>()).unwrap_or(0)
}

impl PacketSocket {
    /// Opens a non-blocking socket on interface `index`. Needs `CAP_NET_RAW`.
    pub fn open(index: u32, udp_port: u16) -> io::Result<Self> {
        let index = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // Protocol 0: nothing is received until the filter is in place and bind names the protocol.
        // SAFETY: socket takes no pointers.
        let raw: RawFd = check(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        // SAFETY: the descriptor was just made and nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let mut filter = udp_port_filter(udp_port);
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).unwrap_or(0),
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: program and the filter it points to live until after the call, which copies both.
        check(unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size_of::<libc::sock_fprog>(),
            )
        })?;
        let socket = Self { fd, index };
        let address = socket.address([0; 6]);
        // SAFETY: address is a full sockaddr_ll and its true size is given.
        check(unsafe {
            libc::bind(
                socket.fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>(),
            )
        })?;
        Ok(socket)
    }

    fn address(&self, mac: [u8; 6]) -> libc::sockaddr_ll {
        let mut addr = [0_u8; 8];
        addr[..6].copy_from_slice(&mac);
        libc::sockaddr_ll {
            sll_family: u16::try_from(libc::AF_PACKET).unwrap_or(0),
            sll_protocol: ETH_P_IP.to_be(),
            sll_ifindex: self.index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: addr,
        }
    }

    /// Sends one IPv4 packet to a hardware address.
    pub fn send(&self, to: [u8; 6], packet: &[u8]) -> io::Result<()> {
        let address = self.address(to);
        // SAFETY: packet and address are valid for reading with the lengths given.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                0,
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>(),
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Receives one IPv4 packet; `WouldBlock` when there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: buffer is valid for writing its whole length.
        let got = unsafe {
            libc::recv(
                self.fd.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
            )
        };
        usize::try_from(got).map_err(|_| io::Error::last_os_error())
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
