//! Words of systemd's interface: unit states, exit names, time spans, sd_notify text.

#![forbid(unsafe_code)]
