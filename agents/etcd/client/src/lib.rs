//! Requests to etcd with failover, watches that recover, lease keeping.
