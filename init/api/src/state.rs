//! Load, active and sub states: what `systemctl` shows and what clients wait for.

crate::words! {
    /// How reading a unit's files ended.
    pub enum LoadState {
        Stub = "stub",
        Loaded = "loaded",
        NotFound = "not-found",
        BadSetting = "bad-setting",
        Error = "error",
        Merged = "merged",
        Masked = "masked",
    }
}

crate::words! {
    /// The state that all kinds of unit share.
    pub enum ActiveState {
        Active = "active",
        Reloading = "reloading",
        Inactive = "inactive",
        Failed = "failed",
        Activating = "activating",
        Deactivating = "deactivating",
        Maintenance = "maintenance",
    }
}

impl ActiveState {
    /// Active or reloading: what `is-active` accepts.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active | Self::Reloading)
    }

    /// Inactive or failed: nothing of the unit runs and nothing is about to.
    #[must_use]
    pub const fn is_inactive(self) -> bool {
        matches!(self, Self::Inactive | Self::Failed)
    }
}

crate::words! {
    /// What `systemctl is-system-running` prints.
    pub enum ManagerState {
        Initializing = "initializing",
        Starting = "starting",
        Running = "running",
        Degraded = "degraded",
        Maintenance = "maintenance",
        Stopping = "stopping",
        Offline = "offline",
        Unknown = "unknown",
    }
}

crate::words! {
    /// The sub states of a service.
    pub enum ServiceState {
        Dead = "dead",
        Condition = "condition",
        StartPre = "start-pre",
        Start = "start",
        StartPost = "start-post",
        Running = "running",
        Exited = "exited",
        Reload = "reload",
        ReloadSignal = "reload-signal",
        ReloadNotify = "reload-notify",
        Stop = "stop",
        StopWatchdog = "stop-watchdog",
        StopSigterm = "stop-sigterm",
        StopSigkill = "stop-sigkill",
        StopPost = "stop-post",
        FinalWatchdog = "final-watchdog",
        FinalSigterm = "final-sigterm",
        FinalSigkill = "final-sigkill",
        Failed = "failed",
        AutoRestart = "auto-restart",
        Cleaning = "cleaning",
    }
}

impl ServiceState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Failed => ActiveState::Failed,
            Self::Condition
            | Self::StartPre
            | Self::Start
            | Self::StartPost
            | Self::AutoRestart => ActiveState::Activating,
            Self::Running | Self::Exited => ActiveState::Active,
            Self::Reload | Self::ReloadSignal | Self::ReloadNotify => ActiveState::Reloading,
            Self::Stop
            | Self::StopWatchdog
            | Self::StopSigterm
            | Self::StopSigkill
            | Self::StopPost
            | Self::FinalWatchdog
            | Self::FinalSigterm
            | Self::FinalSigkill => ActiveState::Deactivating,
            Self::Cleaning => ActiveState::Maintenance,
        }
    }
}

crate::words! {
    /// The sub states of a socket.
    pub enum SocketState {
        Dead = "dead",
        StartPre = "start-pre",
        StartChown = "start-chown",
        StartPost = "start-post",
        Listening = "listening",
        Running = "running",
        StopPre = "stop-pre",
        StopPreSigterm = "stop-pre-sigterm",
        StopPreSigkill = "stop-pre-sigkill",
        StopPost = "stop-post",
        FinalSigterm = "final-sigterm",
        FinalSigkill = "final-sigkill",
        Failed = "failed",
    }
}

impl SocketState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Failed => ActiveState::Failed,
            Self::StartPre | Self::StartChown | Self::StartPost => ActiveState::Activating,
            Self::Listening | Self::Running => ActiveState::Active,
            Self::StopPre
            | Self::StopPreSigterm
            | Self::StopPreSigkill
            | Self::StopPost
            | Self::FinalSigterm
            | Self::FinalSigkill => ActiveState::Deactivating,
        }
    }
}

crate::words! {
    /// The sub states of a target.
    pub enum TargetState { Dead = "dead", Active = "active" }
}

impl TargetState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Active => ActiveState::Active,
        }
    }
}

crate::words! {
    /// The sub states of a slice.
    pub enum SliceState { Dead = "dead", Active = "active" }
}

impl SliceState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Active => ActiveState::Active,
        }
    }
}

crate::words! {
    /// The sub states of a timer.
    pub enum TimerState {
        Dead = "dead",
        Waiting = "waiting",
        Running = "running",
        Elapsed = "elapsed",
        Failed = "failed",
    }
}

impl TimerState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Failed => ActiveState::Failed,
            Self::Waiting | Self::Running | Self::Elapsed => ActiveState::Active,
        }
    }
}

crate::words! {
    /// The sub states of a path unit.
    pub enum PathState {
        Dead = "dead",
        Waiting = "waiting",
        Running = "running",
        Failed = "failed",
    }
}

impl PathState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Failed => ActiveState::Failed,
            Self::Waiting | Self::Running => ActiveState::Active,
        }
    }
}

crate::words! {
    /// The sub states of a mount.
    pub enum MountState {
        Dead = "dead",
        Mounting = "mounting",
        MountingDone = "mounting-done",
        Mounted = "mounted",
        Remounting = "remounting",
        Unmounting = "unmounting",
        RemountingSigterm = "remounting-sigterm",
        RemountingSigkill = "remounting-sigkill",
        UnmountingSigterm = "unmounting-sigterm",
        UnmountingSigkill = "unmounting-sigkill",
        Failed = "failed",
    }
}

impl MountState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Failed => ActiveState::Failed,
            Self::Mounting | Self::MountingDone => ActiveState::Activating,
            Self::Mounted => ActiveState::Active,
            Self::Remounting | Self::RemountingSigterm | Self::RemountingSigkill => {
                ActiveState::Reloading
            }
            Self::Unmounting | Self::UnmountingSigterm | Self::UnmountingSigkill => {
                ActiveState::Deactivating
            }
        }
    }
}

crate::words! {
    /// The sub states of an automount.
    pub enum AutomountState {
        Dead = "dead",
        Waiting = "waiting",
        Running = "running",
        Failed = "failed",
    }
}

impl AutomountState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Failed => ActiveState::Failed,
            Self::Waiting | Self::Running => ActiveState::Active,
        }
    }
}

crate::words! {
    /// The sub states of a swap.
    pub enum SwapState {
        Dead = "dead",
        Activating = "activating",
        ActivatingDone = "activating-done",
        Active = "active",
        Deactivating = "deactivating",
        DeactivatingSigterm = "deactivating-sigterm",
        DeactivatingSigkill = "deactivating-sigkill",
        Failed = "failed",
    }
}

impl SwapState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Failed => ActiveState::Failed,
            Self::Activating | Self::ActivatingDone => ActiveState::Activating,
            Self::Active => ActiveState::Active,
            Self::Deactivating | Self::DeactivatingSigterm | Self::DeactivatingSigkill => {
                ActiveState::Deactivating
            }
        }
    }
}

crate::words! {
    /// The sub states of a device.
    pub enum DeviceState { Dead = "dead", Tentative = "tentative", Plugged = "plugged" }
}

impl DeviceState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Tentative => ActiveState::Activating,
            Self::Plugged => ActiveState::Active,
        }
    }
}

crate::words! {
    /// The sub states of a scope.
    pub enum ScopeState {
        Dead = "dead",
        StartChown = "start-chown",
        Running = "running",
        Abandoned = "abandoned",
        StopSigterm = "stop-sigterm",
        StopSigkill = "stop-sigkill",
        Failed = "failed",
    }
}

impl ScopeState {
    /// The active state that goes with this sub state.
    #[must_use]
    pub const fn active(self) -> ActiveState {
        match self {
            Self::Dead => ActiveState::Inactive,
            Self::Failed => ActiveState::Failed,
            Self::StartChown => ActiveState::Activating,
            Self::Running | Self::Abandoned => ActiveState::Active,
            Self::StopSigterm | Self::StopSigkill => ActiveState::Deactivating,
        }
    }
}
