//! The bodies of `/v2/stats`, fields in the order of the original.

use serde::Serialize;

/// `/v2/stats/self`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SelfStats {
    /// Member name.
    pub name: String,
    /// Member id.
    pub id: String,
    /// `StateLeader`, `StateFollower` or `StateCandidate`.
    pub state: &'static str,
    /// RFC 3339.
    pub start_time: String,
    /// About the leader.
    pub leader_info: LeaderInfo,
    /// Append requests received.
    pub recv_append_request_cnt: u64,
    /// Append requests sent.
    pub send_append_request_cnt: u64,
}

/// The leader as a member sees it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderInfo {
    /// Its id; empty when there is none.
    pub leader: String,
    /// Go's way to write a duration.
    pub uptime: String,
    /// RFC 3339.
    pub start_time: String,
}

/// `/v2/stats/store`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the interface and say it all")]
pub struct StoreStats {
    pub gets_success: u64,
    pub gets_fail: u64,
    pub sets_success: u64,
    pub sets_fail: u64,
    pub delete_success: u64,
    pub delete_fail: u64,
    pub update_success: u64,
    pub update_fail: u64,
    pub create_success: u64,
    pub create_fail: u64,
    pub compare_and_swap_success: u64,
    pub compare_and_swap_fail: u64,
    pub compare_and_delete_success: u64,
    pub compare_and_delete_fail: u64,
    pub expire_count: u64,
    pub watchers: u64,
}

/// Latency of a follower in `/v2/stats/leader`, milliseconds.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the interface and say it all")]
pub struct Latency {
    pub current: f64,
    pub average: f64,
    pub standard_deviation: f64,
    pub minimum: f64,
    pub maximum: f64,
}

/// A duration in nanoseconds as Go writes it: `1m2.5s`, `1.5ms`, `0s`.
#[must_use]
pub fn go_duration(nanos: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let fraction = |value: u64, unit: u64| {
        let (whole, rest) = (value / unit, value % unit);
        let width = unit.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        let digits = digits.trim_end_matches('0');
        if unit == 1 || digits.is_empty() {
            whole.to_string()
        } else {
            format!("{whole}.{digits}")
        }
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(nanos, 1_000)),
        1_000_000..SECOND => format!("{}ms", fraction(nanos, 1_000_000)),
        _ => {
            let (minutes, rest) = (nanos / (60 * SECOND), nanos % (60 * SECOND));
            let seconds = fraction(rest, SECOND);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::go_duration;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanos, want) in [
            (0, "0s"),
            (999, "999ns"),
            (1_500, "1.5µs"),
            (1_500_000, "1.5ms"),
            (1_000_000_000, "1s"),
            (62_500_000_000, "1m2.5s"),
            (3_600_000_000_000, "1h0m0s"),
            (3_661_000_000_001, "1h1m1.000000001s"),
        ] {
            assert_eq!(go_duration(nanos), want);
        }
    }
}
