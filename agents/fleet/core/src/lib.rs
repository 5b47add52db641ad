//! fleet's decisions: machines, jobs, schedule and reconcile, each with a reason.
