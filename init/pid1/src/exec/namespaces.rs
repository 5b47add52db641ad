//! Namespaces other than the mount one: network and IPC.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::context::Context;
use super::{Failed, Step, code};

/// Leaves the network and IPC of the machine where the unit says so.
pub(crate) fn enter(context: &Context) -> Result<(), Failed> {
    let config = &context.exec;
    if context.full_privileges {
        return Ok(());
    }
    if let Some(path) = &config.network_namespace_path {
        let joined = File::open(path).and_then(|file| {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(io::Error::from)
        });
        joined.step(code::NETWORK, || format!("join the network of {path}"))?;
    } else if config.private_network {
        init_sys::namespaces::unshare(UnshareFlags::NEWNET)
            .step(code::NETWORK, || "make a private network".to_owned())?;
        init_sys::namespaces::loopback_up().step(code::NETWORK, || "bring up lo".to_owned())?;
    }
    if config.private_ipc {
        init_sys::namespaces::unshare(UnshareFlags::NEWIPC).step(code::NAMESPACE, || {
            "make a private IPC namespace".to_owned()
        })?;
    }
    if config.protect_hostname {
        init_sys::namespaces::unshare(UnshareFlags::NEWUTS)
            .step(code::NAMESPACE, || "protect the host name".to_owned())?;
    }
    Ok(())
}
