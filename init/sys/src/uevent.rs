//! The kernel's device events (netlink, group 1): what appeared, with its properties.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netlink, socket_with, sockopt};

/// One device event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `remove`, `change`, `bind`, …
    pub action: String,
    /// Folder of the device below /sys.
    pub devpath: String,
    /// All properties, as `NAME`, `value`.
    pub properties: Vec<(String, String)>,
}

impl Uevent {
    /// A property by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads the text of an event; None for what is none (udevd's own broadcasts).
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Uevent> {
        let mut parts = bytes.split(|byte| *byte == 0);
        let head = std::str::from_utf8(parts.next()?).ok()?;
        let (action, devpath) = head.split_once('@')?;
        let properties = parts
            .filter_map(|part| std::str::from_utf8(part).ok()?.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Some(Uevent {
            action: action.to_owned(),
            devpath: devpath.to_owned(),
            properties,
        })
    }
}

/// The listening socket.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Opens the socket.
    ///
    /// # Errors
    /// What socket or bind report.
    pub fn open() -> io::Result<Listener> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::KOBJECT_UEVENT),
        )?;
        // A coldplug makes hundreds of events at once; losing one loses a disk link.
        let _ = sockopt::set_socket_recv_buffer_size_force(&fd, 16 << 20);
        bind(&fd, &SocketAddrNetlink::new(0, 1))?;
        Ok(Listener(fd))
    }

    /// The next event, if one is there. Only the kernel's own (sender 0) count.
    ///
    /// # Errors
    /// What recvmsg reports.
    pub fn next(&self) -> io::Result<Option<Uevent>> {
        while let Some(message) = crate::message::receive(self.0.as_fd(), 16 * 1024)? {
            if let Some(event) = Uevent::parse(&message.bytes) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::Uevent;

    #[test]
    fn an_event_of_the_kernel_has_action_path_and_properties() {
        let text = b"add@/devices/x/block/vda\0ACTION=add\0DEVNAME=vda\0PARTNAME=ROOT\0";
        let event = Uevent::parse(text).unwrap();
        assert_eq!(
            (event.action.as_str(), event.devpath.as_str()),
            ("add", "/devices/x/block/vda")
        );
        assert_eq!(event.get("PARTNAME"), Some("ROOT"));
    }

    #[test]
    fn broadcasts_of_udevd_are_no_events() {
        assert_eq!(Uevent::parse(b"libudev\0\xfe\xed\xca\xfe"), None);
    }
}
