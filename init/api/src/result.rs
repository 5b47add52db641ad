//! Why a unit ended as it did: the `Result` property of each kind.

crate::words! {
    /// The `Result` of a service.
    pub enum ServiceResult {
        Success = "success",
        Resources = "resources",
        Protocol = "protocol",
        Timeout = "timeout",
        ExitCode = "exit-code",
        Signal = "signal",
        CoreDump = "core-dump",
        Watchdog = "watchdog",
        StartLimitHit = "start-limit-hit",
        OomKill = "oom-kill",
        ExecCondition = "exec-condition",
    }
}

crate::words! {
    /// The `Result` of a socket.
    pub enum SocketResult {
        Success = "success",
        Resources = "resources",
        Timeout = "timeout",
        ExitCode = "exit-code",
        Signal = "signal",
        CoreDump = "core-dump",
        StartLimitHit = "start-limit-hit",
        TriggerLimitHit = "trigger-limit-hit",
        ServiceStartLimitHit = "service-start-limit-hit",
    }
}

crate::words! {
    /// The `Result` of a timer.
    pub enum TimerResult {
        Success = "success",
        Resources = "resources",
        StartLimitHit = "start-limit-hit",
    }
}

crate::words! {
    /// The `Result` of a path unit.
    pub enum PathResult {
        Success = "success",
        Resources = "resources",
        StartLimitHit = "start-limit-hit",
        UnitStartLimitHit = "unit-start-limit-hit",
        TriggerLimitHit = "trigger-limit-hit",
    }
}

crate::words! {
    /// The `Result` of a mount or swap.
    pub enum MountResult {
        Success = "success",
        Resources = "resources",
        Timeout = "timeout",
        ExitCode = "exit-code",
        Signal = "signal",
        CoreDump = "core-dump",
        StartLimitHit = "start-limit-hit",
        Protocol = "protocol",
    }
}

crate::words! {
    /// The `Result` of a scope.
    pub enum ScopeResult {
        Success = "success",
        Resources = "resources",
        Timeout = "timeout",
        OomKill = "oom-kill",
    }
}
