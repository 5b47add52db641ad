//! The ways between a cluster's nodes: cuts, partitions, delay and loss. Each is set for ordered pairs; ssh and the
//! metadata service do not pass them.

use super::Cluster;
use crate::error::HarnessError;
use crate::machine::Machine;
use crate::network::{Rule, Traffic};

const CUT: Rule = Rule {
    cut: true,
    delay: std::time::Duration::ZERO,
    jitter: std::time::Duration::ZERO,
    loss: 0.0,
    seed: 0,
    rate: None,
};

impl Cluster {
    /// Sets the rule of one way.
    ///
    /// # Errors
    /// When the network has ended.
    pub fn rule(&self, from: &Machine, to: &Machine, rule: Rule) -> Result<(), HarnessError> {
        self.rules(vec![(from, to, rule)])
    }

    /// Cuts two nodes off from each other: carriers stay, frames do not come.
    ///
    /// # Errors
    /// When the network has ended.
    pub fn cut(&self, one: &Machine, other: &Machine) -> Result<(), HarnessError> {
        self.rules(vec![(one, other, CUT), (other, one, CUT)])
    }

    /// Cuts one direction only.
    ///
    /// # Errors
    /// When the network has ended.
    pub fn cut_one_way(&self, from: &Machine, to: &Machine) -> Result<(), HarnessError> {
        self.rules(vec![(from, to, CUT)])
    }

    /// Cuts these nodes off from all others; among themselves they stay connected.
    ///
    /// # Errors
    /// When the network has ended.
    pub fn isolate(&self, group: &[&Machine]) -> Result<(), HarnessError> {
        let inside = |node: &Machine| group.iter().any(|one| one.name() == node.name());
        self.cut_where(|_, one, _, other| inside(one) != inside(other))
    }

    /// Leaves each node only its neighbours, in the order of their start: node 1 with 2 and the last.
    ///
    /// # Errors
    /// When the network has ended.
    pub fn ring(&self) -> Result<(), HarnessError> {
        let count = self.nodes().len();
        self.cut_where(|a, _, b, _| {
            let apart = a.abs_diff(b);
            apart > 1 && apart + 1 != count
        })
    }

    /// Forgets all rules.
    ///
    /// # Errors
    /// When the network has ended.
    pub fn heal(&self) -> Result<(), HarnessError> {
        let healed = self.lab().network().heal();
        healed.map_err(HarnessError::io("heal the network"))
    }

    /// What became of the frames from one node to another.
    #[must_use]
    pub fn traffic(&self, from: &Machine, to: &Machine) -> Traffic {
        match (from.port(), to.port()) {
            (Some(from), Some(to)) => self.lab().network().traffic(from, to),
            _ => Traffic::default(),
        }
    }

    fn cut_where(
        &self,
        parted: impl Fn(usize, &Machine, usize, &Machine) -> bool,
    ) -> Result<(), HarnessError> {
        let nodes = self.nodes();
        let mut rules = Vec::new();
        for (a, one) in nodes.iter().enumerate() {
            for (b, other) in nodes.iter().enumerate() {
                if a != b && parted(a, one, b, other) {
                    rules.push((&**one, &**other, CUT));
                }
            }
        }
        self.rules(rules)
    }

    fn rules(&self, rules: Vec<(&Machine, &Machine, Rule)>) -> Result<(), HarnessError> {
        let ports = rules
            .into_iter()
            .filter_map(|(from, to, rule)| Some((from.port()?, to.port()?, rule)));
        let set = self.lab().network().rules(ports);
        set.map_err(HarnessError::io("set the network's rules"))
    }
}
