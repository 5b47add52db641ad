//! The table of leases and what the kernel has of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use flannel_core::{Entry, Leases, Subnet, diff, wanted};

use crate::backend::{BackendError, Device};
use crate::kernel::{Kernel, Scope};

/// Everything about the others.
#[derive(Debug)]
pub(crate) struct Overlay {
    pub(crate) kernel: Kernel,
    pub(crate) device: Device,
    pub(crate) leases: Leases,
    pub(crate) own_key: String,
    pub(crate) own_ip: Ipv4Addr,
    pub(crate) subnet: Subnet,
    pub(crate) any_source: bool,
    /// Networks in which our routes may be: the present one and that of the last run.
    pub(crate) networks: Vec<Subnet>,
    /// What the kernel has, as far as we know.
    installed: BTreeSet<Entry>,
    direct: BTreeMap<Ipv4Addr, u32>,
    /// Said once, until it is another.
    trouble: String,
}

impl Overlay {
    pub(crate) fn new(
        kernel: Kernel,
        device: Device,
        own: (String, Ipv4Addr, Subnet),
        networks: Vec<Subnet>,
        any_source: bool,
    ) -> Overlay {
        let (own_key, own_ip, subnet) = own;
        Overlay {
            kernel,
            device,
            leases: Leases::default(),
            own_key,
            own_ip,
            subnet,
            any_source,
            networks,
            installed: BTreeSet::new(),
            direct: BTreeMap::new(),
            trouble: String::new(),
        }
    }

    /// Looks at the kernel itself: makes the device as it should be, reads what is there, and puts
    /// right what is not as it should be, whoever changed it.
    pub(crate) async fn reconcile(&mut self) -> Result<(), BackendError> {
        self.device
            .ensure(&self.kernel, self.subnet, self.any_source)
            .await?;
        if self.device.direct_routing() {
            self.direct = self.kernel.direct(self.peers()).await;
        }
        let wanted = self.wanted();
        match self.kernel.entries(&self.scope(), &wanted).await {
            Ok(found) => self.installed = found,
            Err(error) => self.report(format!("cannot read routes and neighbours: {error}")),
        }
        self.carry_out(wanted).await;
        Ok(())
    }

    /// After a change of the leases: only what differs is touched.
    pub(crate) async fn leases_changed(&mut self) {
        self.device.tell(&self.leases, &self.own_key, self.own_ip);
        if self.device.direct_routing() {
            let unknown: Vec<Ipv4Addr> = self
                .peers()
                .into_iter()
                .filter(|ip| !self.direct.contains_key(ip))
                .collect();
            self.direct.extend(self.kernel.direct(unknown).await);
        }
        let wanted = self.wanted();
        self.carry_out(wanted).await;
    }

    fn wanted(&self) -> BTreeSet<Entry> {
        wanted(
            &self.leases,
            &self.own_key,
            self.own_ip,
            self.device.means(&self.direct),
        )
    }

    fn peers(&self) -> BTreeSet<Ipv4Addr> {
        self.leases
            .peers(&self.own_key)
            .map(|(_, record)| record.public_ip)
            .collect()
    }

    fn scope(&self) -> Scope {
        Scope {
            device: self.device.index(),
            networks: self.networks.clone(),
        }
    }

    async fn carry_out(&mut self, wanted: BTreeSet<Entry>) {
        let steps = diff(&self.installed, &wanted);
        let device = self.device.index().unwrap_or(0);
        let mut failure = None;
        for step in &steps {
            if let Err(error) = self.kernel.apply(*step, device).await {
                failure.get_or_insert_with(|| format!("{step:?}: {error}"));
            }
        }
        match failure {
            None => {
                self.installed = wanted;
                if !steps.is_empty() {
                    self.trouble.clear();
                }
            }
            Some(text) => {
                self.report(format!(
                    "the kernel refuses a change, which is tried again: {text}"
                ));
                if let Ok(found) = self.kernel.entries(&self.scope(), &wanted).await {
                    self.installed = found;
                }
            }
        }
    }

    fn report(&mut self, text: String) {
        if self.trouble != text {
            tracing::warn!("{text}");
            self.trouble = text;
        }
    }
}
