//! Words of the etcd v2 API: keys JSON, error codes, headers, query options.

#![forbid(unsafe_code)]
