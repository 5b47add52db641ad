//! The one HTTP server and client: limits, timeouts, unix sockets, endpoint failover, graceful stop.
