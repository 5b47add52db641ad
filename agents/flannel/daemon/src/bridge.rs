//! 172.17.0.1, Docker's address without flannel, on a docker0 that has flannel's subnet: texts and
//! scripts of years reach the machine by it from inside containers.

use std::net::Ipv4Addr;

use crate::kernel::Kernel;

const BRIDGE: &str = "docker0";
const KNOWN: (Ipv4Addr, u8) = (Ipv4Addr::new(172, 17, 0, 1), 32);

/// Adds it where the bridge has `flannel`'s address, and removes it where it has not any more.
pub(crate) async fn mend(kernel: &Kernel, flannel: (Ipv4Addr, u8)) -> Result<(), rtnetlink::Error> {
    let Some(bridge) = kernel.link(BRIDGE).await? else {
        return Ok(());
    };
    let addresses = kernel.addresses().await?;
    let has = |wanted: (Ipv4Addr, u8)| {
        let mut own = addresses
            .iter()
            .filter(|address| address.link == bridge.index);
        own.any(|address| (address.address, address.prefix) == wanted)
    };
    match (has(flannel), has(KNOWN)) {
        (true, false) => {
            tracing::info!("{BRIDGE} gets {} beside its own address", KNOWN.0);
            kernel.add_address(bridge.index, KNOWN).await
        }
        (false, true) => kernel.remove_address(bridge.index, KNOWN).await,
        _ => Ok(()),
    }
}
