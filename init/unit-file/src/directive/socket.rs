//! `[Socket]`: systemd.socket(5)

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{service::commands, table};
use crate::{
    command::simplify,
    config::{Listen, ListenAddress, ListenKind, SocketConfig},
    value::{
        Input, Outcome, account, boolean, mode, number, optional_number, optional_span,
        optional_text, paths, service, size, span, timeout, word,
    },
};

table! { SOCKET: SocketConfig {
    "ListenStream" => [listen] listen,
    "ListenDatagram" => [listen] listen,
    "ListenSequentialPacket" => [listen] listen,
    "ListenFIFO" => [listen] listen,
    "ListenSpecial" => [listen] listen,
    "ListenNetlink" => [listen] listen,
    "ListenMessageQueue" => [listen] listen,
    "Accept" => [accept] boolean,
    "Service" => [service] service,
    "SocketUser" => [user] account,
    "SocketGroup" => [group] account,
    "SocketMode" => [mode] mode,
    "DirectoryMode" => [directory_mode] mode,
    "Backlog" => [backlog] number,
    "BindIPv6Only" => [bind_ipv6_only] word,
    "BindToDevice" => [bind_to_device] optional_text,
    "FreeBind" => [free_bind] boolean,
    "Transparent" => [transparent] boolean,
    "ReusePort" => [reuse_port] boolean,
    "NoDelay" => [no_delay] boolean,
    "KeepAlive" => [keep_alive] boolean,
    "KeepAliveTimeSec" => [keep_alive_time] optional_span,
    "KeepAliveIntervalSec" => [keep_alive_interval] optional_span,
    "KeepAliveProbes" => [keep_alive_probes] optional_number,
    "DeferAcceptSec" => [defer_accept] optional_span,
    "Broadcast" => [broadcast] boolean,
    "PassCredentials" => [pass_credentials] boolean,
    "PassSecurity" => [pass_security] boolean,
    "PassPacketInfo" => [pass_packet_info] boolean,
    "ReceiveBuffer" => [receive_buffer] size,
    "SendBuffer" => [send_buffer] size,
    "Priority" => [priority] optional_number,
    "Mark" => [mark] optional_number,
    "IPTTL" => [ip_ttl] optional_number,
    "IPTOS" => [ip_tos] ip_tos,
    "PipeSize" => [pipe_size] size,
    "MessageQueueMaxMessages" => [message_queue_max_messages] optional_number,
    "MessageQueueMessageSize" => [message_queue_message_size] optional_number,
    "RemoveOnStop" => [remove_on_stop] boolean,
    "Symlinks" => [symlinks] paths,
    "FileDescriptorName" => [fd_name] fd_name,
    "MaxConnections" => [max_connections] number,
    "MaxConnectionsPerSource" => [max_connections_per_source] number,
    "TriggerLimitIntervalSec" => [trigger_limit.interval] span,
    "TriggerLimitBurst" => [trigger_limit.burst] number,
    "PollLimitIntervalSec" => [poll_limit.interval] span,
    "PollLimitBurst" => [poll_limit.burst] number,
    "Writable" => [writable] boolean,
    "FlushPending" => [flush_pending] boolean,
    "ExecStartPre" => [exec_start_pre] commands,
    "ExecStartPost" => [exec_start_post] commands,
    "ExecStopPre" => [exec_stop_pre] commands,
    "ExecStopPost" => [exec_stop_post] commands,
    "TimeoutSec" => [timeout] timeout,
} accepted {
    "AcceptFileDescriptors",
    "DeferTrigger",
    "DeferTriggerMaxSec",
    "ListenUSBFunction",
    "PassFileDescriptorsToExec",
    "PassPIDFD",
    "PassRights",
    "SELinuxContextFromNet",
    "SmackLabel",
    "SmackLabelIPIn",
    "SmackLabelIPOut",
    "SocketProtocol",
    "TCPCongestion",
    "Timestamping",
} }

/// `Listen…=`; nothing empties all of them.
fn listen(field: &mut Vec<Listen>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let name = input.key.strip_prefix("Listen").unwrap_or(input.key);
    let kind: ListenKind = name
        .parse()
        .map_err(|_| input.wants("a known kind of socket"))?;
    let text = input.expand(input.text)?;
    let address = match kind {
        ListenKind::Fifo | ListenKind::Special => file(&text),
        ListenKind::MessageQueue => file(&text).map(|_| ListenAddress::MessageQueue(text)),
        ListenKind::Netlink => netlink(&text),
        ListenKind::Stream | ListenKind::Datagram | ListenKind::SequentialPacket => address(&text),
    };
    let address = address.ok_or_else(|| {
        input.wants("a path, @name, port, address:port or [address]:port (as the kind allows)")
    })?;
    field.push(Listen { kind, address });
    Ok(())
}

fn file(text: &str) -> Option<ListenAddress> {
    text.starts_with('/')
        .then(|| ListenAddress::Path(simplify(text)))
}

fn netlink(text: &str) -> Option<ListenAddress> {
    let (family, group) = text.split_once(char::is_whitespace).unwrap_or((text, "0"));
    Some(ListenAddress::Netlink(
        family.to_owned(),
        group.trim().parse().ok()?,
    ))
}

/// Longest path of a Unix socket.
const LONGEST: usize = 107;

fn address(text: &str) -> Option<ListenAddress> {
    if text.starts_with('/') {
        return file(text).filter(|_| text.len() <= LONGEST);
    }
    if let Some(name) = text.strip_prefix('@') {
        return (!name.is_empty() && name.len() <= LONGEST)
            .then(|| ListenAddress::Abstract(name.to_owned()));
    }
    if let Some(rest) = text.strip_prefix("vsock:") {
        let (cid, port) = rest.split_once(':')?;
        let cid = if cid.is_empty() {
            None
        } else {
            Some(cid.parse().ok()?)
        };
        return Some(ListenAddress::Vsock(cid, port.parse().ok()?));
    }
    if let Ok(port) = text.parse::<u16>() {
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        return (port > 0).then(|| ListenAddress::Inet(SocketAddr::new(any, port)));
    }
    let (text, interface) = text.rsplit_once('%').unwrap_or((text, ""));
    let address: SocketAddr = text.parse().ok()?;
    if interface.is_empty() {
        return Some(ListenAddress::Inet(address));
    }
    address
        .is_ipv6()
        .then(|| ListenAddress::Scoped(address, interface.to_owned()))
}

fn ip_tos(field: &mut Option<u8>, input: &mut Input<'_>) -> Outcome {
    *field = match input.text {
        "low-delay" => Some(16),
        "throughput" => Some(8),
        "reliability" => Some(4),
        "low-cost" => Some(2),
        _ => return optional_number(field, input),
    };
    Ok(())
}

fn fd_name(field: &mut Option<String>, input: &mut Input<'_>) -> Outcome {
    let mut name = None;
    optional_text(&mut name, input)?;
    if name
        .as_deref()
        .is_some_and(|name| !init_api::notify::is_fd_name(name))
    {
        return Err(input.wants("printable letters without a colon"));
    }
    *field = name;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths_abstract_names_ports_and_internet_addresses() {
        for (text, wanted) in [
            ("/run/x.sock", "/run/x.sock"),
            ("@name", "@name"),
            ("8080", "[::]:8080"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("[fe80::1]:80%eth0", "[fe80::1]:80%eth0"),
            ("vsock::1234", "vsock::1234"),
            ("vsock:2:1234", "vsock:2:1234"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), wanted, "{text}");
        }
        for text in ["", "@", "0", "65536", "localhost:80", "x.sock", "1.2.3.4"] {
            assert_eq!(address(text), None, "{text}");
        }
        assert_eq!(
            netlink("kobject-uevent 1").unwrap().to_string(),
            "kobject-uevent 1"
        );
    }
}
