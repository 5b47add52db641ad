//! What operators and tools look at: statistics, health, variables, metrics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use etcd_api::{LeaderInfo, SelfStats, go_duration, rfc3339_nanos};
use http::{Answer, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::{Api, json, json_of, message};
use crate::raft::Role;

/// How long an answer to `/health` may take.
const HEALTH: Duration = Duration::from_secs(1);

impl Api {
    pub(super) fn self_stats(&self) -> Answer {
        let (_, sent, received) = self.consensus.counters();
        let (leader, since) = self.consensus.leader_since();
        let uptime = since.map_or(Duration::ZERO, |since| since.elapsed());
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let stats = SelfStats {
            name: self.settings.name.clone(),
            id: format!("{:x}", self.consensus.member),
            state: match self.consensus.role() {
                Role::Leader => "StateLeader",
                Role::Follower => "StateFollower",
                Role::Candidate => "StateCandidate",
            },
            start_time: rfc3339_nanos(self.settings.started_at),
            leader_info: LeaderInfo {
                leader: leader.map(|id| format!("{id:x}")).unwrap_or_default(),
                uptime: go_duration(nanos(uptime)),
                start_time: rfc3339_nanos(super::now().saturating_sub(nanos(uptime))),
            },
            recv_append_request_cnt: received,
            send_append_request_cnt: sent,
        };
        json_of(StatusCode::OK, &stats, false)
    }

    pub(super) fn store_stats(&self) -> Answer {
        json_of(
            StatusCode::OK,
            &self.consensus.state.lock().store.stats(),
            false,
        )
    }

    pub(super) fn leader_stats(&self) -> Answer {
        #[derive(Serialize)]
        struct Counts {
            fail: u64,
            success: u64,
        }
        #[derive(Serialize)]
        struct Follower {
            latency: etcd_api::Latency,
            counts: Counts,
        }
        #[derive(Serialize)]
        struct LeaderStats {
            leader: String,
            followers: BTreeMap<String, Follower>,
        }
        if self.consensus.role() != Role::Leader {
            return message(StatusCode::FORBIDDEN, "not current leader");
        }
        let followers =
            self.consensus
                .followers()
                .into_iter()
                .map(|(id, latency, success, fail)| {
                    (
                        format!("{id:x}"),
                        Follower {
                            latency,
                            counts: Counts { fail, success },
                        },
                    )
                });
        let leader = format!("{:x}", self.consensus.member);
        json_of(
            StatusCode::OK,
            &LeaderStats {
                leader,
                followers: followers.collect(),
            },
            false,
        )
    }

    pub(super) fn machines(&self) -> Answer {
        let members = self.consensus.members();
        let mut urls: Vec<String> = members
            .into_iter()
            .flat_map(|member| member.client_urls)
            .collect();
        urls.sort();
        Answer::new(StatusCode::OK, urls.join(", "))
            .with(header::CONTENT_TYPE, "text/plain; charset=utf-8")
    }

    pub(super) async fn health(&self) -> Answer {
        let agreed = async {
            self.consensus.leader().is_some() && self.consensus.read_barrier().await.is_ok()
        };
        match tokio::time::timeout(HEALTH, agreed).await {
            Ok(true) => json(StatusCode::OK, b"{\"health\": \"true\"}"),
            _ => json(
                StatusCode::SERVICE_UNAVAILABLE,
                b"{\"health\": \"false\"}\n",
            ),
        }
    }

    pub(super) fn vars(&self) -> Answer {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
                .map(|kilobytes| kilobytes * 1024)
        };
        let (syncs, sent, received) = self.consensus.counters();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let vars = json!({
            "cmdline": std::env::args().collect::<Vec<String>>(),
            "file_descriptor_limit": limit,
            "memstats": { "Sys": kilobytes("VmSize:"), "HeapSys": kilobytes("VmRSS:") },
            "log.syncs": syncs,
            "peer.append": { "sent": sent, "received": received },
            "raft.status": {
                "id": format!("{:x}", self.consensus.member),
                "term": self.consensus.term(),
                "commit": self.consensus.committed_index(),
                "applied": self.consensus.applied_index(),
                "lead": self.consensus.leader().map_or_else(|| "0".to_owned(), |id| format!("{id:x}")),
                "raftState": match self.consensus.role() {
                    Role::Leader => "StateLeader",
                    Role::Follower => "StateFollower",
                    Role::Candidate => "StateCandidate",
                },
            },
        });
        let answer = json_of(StatusCode::OK, &vars, true);
        answer.with(header::CONTENT_TYPE, "application/json; charset=utf-8")
    }

    pub(super) fn metrics(&self) -> Answer {
        let (syncs, ..) = self.consensus.counters();
        let (stats, index) = {
            let state = self.consensus.state.lock();
            (state.store.stats(), state.store.index())
        };
        let gets = stats.gets_success + stats.gets_fail;
        let mut out = String::new();
        let mut metric = |name: &str, kind: &str, label: &str, value: u64| {
            if !out.contains(&format!("# TYPE {name} ")) {
                let _ = writeln!(out, "# TYPE {name} {kind}");
            }
            let _ = writeln!(out, "{name}{label} {value}");
        };
        metric(
            "etcd_server_has_leader",
            "gauge",
            "",
            u64::from(self.consensus.leader().is_some()),
        );
        metric(
            "etcd_server_proposals_committed_total",
            "gauge",
            "",
            self.consensus.committed_index(),
        );
        metric(
            "etcd_server_proposals_applied_total",
            "gauge",
            "",
            self.consensus.applied_index(),
        );
        metric("etcd_wal_fsync_total", "counter", "", syncs);
        metric("etcd_store_index", "gauge", "", index);
        metric(
            "etcd_store_reads_total",
            "counter",
            "{action=\"get\"}",
            gets,
        );
        for (action, success, fail) in [
            ("set", stats.sets_success, stats.sets_fail),
            ("create", stats.create_success, stats.create_fail),
            ("update", stats.update_success, stats.update_fail),
            ("delete", stats.delete_success, stats.delete_fail),
            (
                "compareAndSwap",
                stats.compare_and_swap_success,
                stats.compare_and_swap_fail,
            ),
            (
                "compareAndDelete",
                stats.compare_and_delete_success,
                stats.compare_and_delete_fail,
            ),
        ] {
            metric(
                "etcd_store_writes_total",
                "counter",
                &format!("{{action=\"{action}\"}}"),
                success + fail,
            );
        }
        metric(
            "etcd_store_expires_total",
            "counter",
            "",
            stats.expire_count,
        );
        metric("etcd_store_watchers", "gauge", "", stats.watchers);
        Answer::new(StatusCode::OK, out).with(header::CONTENT_TYPE, "text/plain; version=0.0.4")
    }
}
