//! Jobs: what can be asked of a unit, how, and how it ended.

crate::words! {
    /// What a job does.
    pub enum JobType {
        Start = "start",
        VerifyActive = "verify-active",
        Stop = "stop",
        Reload = "reload",
        Restart = "restart",
        TryRestart = "try-restart",
        TryReload = "try-reload",
        ReloadOrStart = "reload-or-start",
        Nop = "nop",
    }
}

crate::words! {
    /// How a request treats other jobs and units (the `--job-mode` of systemctl).
    pub enum JobMode {
        Replace = "replace",
        Fail = "fail",
        ReplaceIrreversibly = "replace-irreversibly",
        Isolate = "isolate",
        Flush = "flush",
        IgnoreDependencies = "ignore-dependencies",
        IgnoreRequirements = "ignore-requirements",
        Triggering = "triggering",
        RestartDependencies = "restart-dependencies",
    }
}

crate::words! {
    /// Whether a job waits for others or is at work.
    pub enum JobState { Waiting = "waiting", Running = "running" }
}

crate::words! {
    /// How a job ended.
    pub enum JobResult {
        Done = "done",
        Canceled = "canceled",
        Timeout = "timeout",
        Failed = "failed",
        Dependency = "dependency",
        Skipped = "skipped",
        Invalid = "invalid",
        Assert = "assert",
        Unsupported = "unsupported",
        Collected = "collected",
        Once = "once",
    }
}

impl JobResult {
    /// Whether a waiting client counts this as success (`systemctl start` exits 0).
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}
