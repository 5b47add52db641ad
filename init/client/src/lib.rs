//! How our programs talk to PID 1: D-Bus calls, sd_notify, socket activation, watchdog.
