//! flannel's decisions: subnets, leases to wanted routes, and the difference.
