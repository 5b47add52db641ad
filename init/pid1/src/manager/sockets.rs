//! Making the sockets of socket units, and taking connections from them.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use init_sys::accounts::Accounts;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, SocketAddrUnix, SocketFlags, SocketType, bind, listen, netlink,
    socket_with, sockopt,
};
use unit_file::{Bind6Only, Listen, ListenAddress, ListenKind, SocketConfig};

/// A socket that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub(crate) struct OpenError {
    address: String,
    source: io::Error,
}

impl OpenError {
    /// Whether somebody else has the address.
    pub(crate) fn in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

/// Makes all sockets of a unit, in file order.
pub(crate) fn open(config: &SocketConfig) -> Result<Vec<OwnedFd>, OpenError> {
    let mut all = Vec::new();
    for wanted in &config.listen {
        let made = open_one(config, wanted);
        all.push(made.map_err(|source| OpenError {
            address: wanted.address.to_string(),
            source,
        })?);
    }
    for link in &config.symlinks {
        if let Some(Listen {
            address: ListenAddress::Path(target),
            ..
        }) = config.listen.first()
        {
            let _ = fs::remove_file(link);
            let _ = std::os::unix::fs::symlink(target, link);
        }
    }
    Ok(all)
}

fn open_one(config: &SocketConfig, wanted: &Listen) -> io::Result<OwnedFd> {
    match (&wanted.kind, &wanted.address) {
        (ListenKind::Fifo, ListenAddress::Path(path)) => fifo(config, path),
        (ListenKind::Special, ListenAddress::Path(path)) => special(config, path),
        (ListenKind::MessageQueue, _) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "message queues are not supported",
        )),
        (_, ListenAddress::Netlink(family, groups)) => netlink_socket(family, *groups),
        (kind, address) => bound(config, *kind, address),
    }
}

fn socket_type(kind: ListenKind) -> SocketType {
    match kind {
        ListenKind::Datagram => SocketType::DGRAM,
        ListenKind::SequentialPacket => SocketType::SEQPACKET,
        _ => SocketType::STREAM,
    }
}

fn family_of(address: &ListenAddress) -> AddressFamily {
    match address {
        ListenAddress::Inet(SocketAddr::V4(_)) => AddressFamily::INET,
        ListenAddress::Inet(SocketAddr::V6(_)) | ListenAddress::Scoped(..) => AddressFamily::INET6,
        ListenAddress::Vsock(..) => AddressFamily::from_raw(40),
        _ => AddressFamily::UNIX,
    }
}

fn bound(config: &SocketConfig, kind: ListenKind, address: &ListenAddress) -> io::Result<OwnedFd> {
    let family = family_of(address);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = match socket_with(family, socket_type(kind), flags, None::<Protocol>) {
        // A kernel without IPv6: a port alone means IPv4 then.
        Err(Errno::AFNOSUPPORT) => match address {
            ListenAddress::Inet(SocketAddr::V6(v6)) if v6.ip().is_unspecified() => {
                let v4 = ListenAddress::Inet(SocketAddr::from(([0, 0, 0, 0], v6.port())));
                return bound(config, kind, &v4);
            }
            _ => return Err(Errno::AFNOSUPPORT.into()),
        },
        other => other?,
    };
    options(config, fd.as_fd(), family)?;
    match address {
        ListenAddress::Inet(address) => bind(&fd, address)?,
        ListenAddress::Scoped(address, interface) => {
            let mut address = *address;
            if let SocketAddr::V6(v6) = &mut address {
                v6.set_scope_id(interface_index(interface)?);
            }
            bind(&fd, &address)?;
        }
        ListenAddress::Abstract(name) => {
            bind(&fd, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
        }
        ListenAddress::Path(path) => bind_path(config, fd.as_fd(), path)?,
        other => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("{other} is not supported"),
            ));
        }
    }
    if socket_type(kind) != SocketType::DGRAM {
        listen(&fd, i32::try_from(config.backlog).unwrap_or(i32::MAX))?;
    }
    Ok(fd)
}

fn interface_index(name: &str) -> io::Result<u32> {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))?;
    text.trim().parse().map_err(io::Error::other)
}

fn options(config: &SocketConfig, fd: BorrowedFd<'_>, family: AddressFamily) -> io::Result<()> {
    let unix = family == AddressFamily::UNIX;
    if !unix {
        sockopt::set_socket_reuseaddr(fd, true)?;
    }
    if family == AddressFamily::INET6 {
        match config.bind_ipv6_only {
            Bind6Only::Both => sockopt::set_ipv6_v6only(fd, false)?,
            Bind6Only::Ipv6Only => sockopt::set_ipv6_v6only(fd, true)?,
            Bind6Only::Default => {}
        }
    }
    if config.reuse_port {
        sockopt::set_socket_reuseport(fd, true)?;
    }
    if config.free_bind && !unix {
        sockopt::set_ip_freebind(fd, true)?;
    }
    if config.keep_alive {
        sockopt::set_socket_keepalive(fd, true)?;
    }
    if config.no_delay && !unix {
        sockopt::set_tcp_nodelay(fd, true)?;
    }
    if config.broadcast {
        sockopt::set_socket_broadcast(fd, true)?;
    }
    if config.pass_credentials {
        init_sys::message::want_credentials(fd)?;
    }
    if let Some(size) = config.receive_buffer {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let _ = sockopt::set_socket_recv_buffer_size_force(fd, size)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(fd, size));
    }
    if let Some(size) = config.send_buffer {
        let _ =
            sockopt::set_socket_send_buffer_size(fd, usize::try_from(size).unwrap_or(usize::MAX));
    }
    if let Some(interface) = &config.bind_to_device {
        nix::sys::socket::setsockopt(
            &fd,
            nix::sys::socket::sockopt::BindToDevice,
            &interface.into(),
        )?;
    }
    Ok(())
}

fn parents(config: &SocketConfig, path: &str) {
    if let Some(parent) = Path::new(path).parent() {
        let old = rustix::process::umask(Mode::from_raw_mode(0o022));
        let _ = DirBuilder::new()
            .recursive(true)
            .mode(config.directory_mode)
            .create(parent);
        let _ = rustix::process::umask(old);
    }
}

fn bind_path(config: &SocketConfig, fd: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    parents(config, path);
    let address = SocketAddrUnix::new(path)?;
    let old = rustix::process::umask(Mode::from_raw_mode(!config.mode & 0o777));
    let bound = match bind(fd, &address) {
        // What an earlier owner left behind.
        Err(Errno::ADDRINUSE) if is_stale(path) => {
            let _ = fs::remove_file(path);
            bind(fd, &address)
        }
        other => other,
    };
    let _ = rustix::process::umask(old);
    bound?;
    own(config, path)
}

/// A socket file that nobody listens on.
fn is_stale(path: &str) -> bool {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => false,
        Err(e) => e.kind() == io::ErrorKind::ConnectionRefused || Path::new(path).is_file(),
    }
}

fn own(config: &SocketConfig, path: &str) -> io::Result<()> {
    if config.user.is_none() && config.group.is_none() {
        return Ok(());
    }
    let accounts = Accounts::read(Path::new("/"))?;
    let missing = |kind: &str, name: &str| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("{kind} {name} is not known"),
        )
    };
    let user = config
        .user
        .as_deref()
        .map(|name| accounts.user(name).ok_or_else(|| missing("user", name)))
        .transpose()?;
    let group = config
        .group
        .as_deref()
        .map(|name| accounts.group(name).ok_or_else(|| missing("group", name)))
        .transpose()?;
    let gid = group.or_else(|| user.as_ref().map(|user| user.gid));
    std::os::unix::fs::chown(path, user.map(|user| user.uid), gid)
}

fn fifo(config: &SocketConfig, path: &str) -> io::Result<OwnedFd> {
    parents(config, path);
    let old = rustix::process::umask(Mode::empty());
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        FileType::Fifo,
        Mode::from_raw_mode(config.mode),
        0,
    );
    let _ = rustix::process::umask(old);
    match made {
        Err(Errno::EXIST) | Ok(()) => {}
        Err(e) => return Err(e.into()),
    }
    own(config, path)?;
    Ok(rustix::fs::open(
        path,
        OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    )?)
}

fn special(config: &SocketConfig, path: &str) -> io::Result<OwnedFd> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0);
    Ok(fs::OpenOptions::new()
        .read(true)
        .write(config.writable)
        .custom_flags(flags)
        .open(path)?
        .into())
}

fn netlink_socket(family: &str, groups: u32) -> io::Result<OwnedFd> {
    let protocol = match family {
        // ROUTE is protocol 0, which a plain netlink socket has.
        "route" => return bound_netlink(None, groups),
        "kobject-uevent" => netlink::KOBJECT_UEVENT,
        "audit" => netlink::AUDIT,
        "generic" => netlink::GENERIC,
        "netfilter" => netlink::NETFILTER,
        "connector" => netlink::CONNECTOR,
        other => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("netlink family {other} is not known"),
            ));
        }
    };
    bound_netlink(Some(protocol), groups)
}

fn bound_netlink(protocol: Option<Protocol>, groups: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    bind(&fd, &netlink::SocketAddrNetlink::new(0, groups))?;
    Ok(fd)
}

/// Files of a unit's sockets, removed with `RemoveOnStop=`.
pub(crate) fn remove_files(config: &SocketConfig) {
    for wanted in &config.listen {
        if let ListenAddress::Path(path) = &wanted.address {
            let _ = fs::remove_file(path);
        }
    }
    for link in &config.symlinks {
        let _ = fs::remove_file(link);
    }
}

/// Takes a connection: its descriptor, and the part of the instance name after the counter.
pub(crate) fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, String)> {
    let connection = rustix::net::accept_with(fd, SocketFlags::CLOEXEC)?;
    let peer = peer_name(connection.as_fd());
    Ok((connection, peer))
}

fn peer_name(fd: BorrowedFd<'_>) -> String {
    let local = rustix::net::getsockname(fd)
        .ok()
        .and_then(|any| SocketAddr::try_from(any).ok());
    let remote = rustix::net::getpeername(fd)
        .ok()
        .and_then(|any| any.and_then(|any| SocketAddr::try_from(any).ok()));
    match (local, remote) {
        (Some(local), Some(remote)) => format!("{}-{}", plain(local), plain(remote)),
        _ => init_sys::message::peer(fd).map_or_else(
            |_| "unknown".to_owned(),
            |(pid, uid, _)| format!("{pid}-{uid}"),
        ),
    }
}

/// `REMOTE_ADDR` and `REMOTE_PORT` of a connection from the network (systemd.exec(5)).
pub(crate) fn remote(fd: BorrowedFd<'_>) -> Vec<(String, String)> {
    let peer = rustix::net::getpeername(fd).ok().flatten();
    let Some(peer) = peer.and_then(|any| SocketAddr::try_from(any).ok()) else {
        return Vec::new();
    };
    vec![
        (
            "REMOTE_ADDR".to_owned(),
            peer.ip().to_canonical().to_string(),
        ),
        ("REMOTE_PORT".to_owned(), peer.port().to_string()),
    ]
}

/// IPv4 behind an IPv6 socket is written as IPv4.
fn plain(address: SocketAddr) -> String {
    format!("{}:{}", address.ip().to_canonical(), address.port())
}
