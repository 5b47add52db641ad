//! The kinds of unit, and the suffixes that name them.

crate::words! {
    /// The kind of a unit: the suffix of its name.
    pub enum UnitType {
        Service = "service",
        Socket = "socket",
        Target = "target",
        Device = "device",
        Mount = "mount",
        Automount = "automount",
        Swap = "swap",
        Timer = "timer",
        Path = "path",
        Slice = "slice",
        Scope = "scope",
    }
}

impl UnitType {
    /// The kind that a suffix (without the dot) names.
    #[must_use]
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        suffix.parse().ok()
    }

    /// The section of the unit file that is this kind's own, e.g. `Service`; targets and devices
    /// have none.
    #[must_use]
    pub const fn section(self) -> Option<&'static str> {
        match self {
            Self::Service => Some("Service"),
            Self::Socket => Some("Socket"),
            Self::Mount => Some("Mount"),
            Self::Automount => Some("Automount"),
            Self::Swap => Some("Swap"),
            Self::Timer => Some("Timer"),
            Self::Path => Some("Path"),
            Self::Slice => Some("Slice"),
            Self::Scope => Some("Scope"),
            Self::Target | Self::Device => None,
        }
    }

    /// The D-Bus interface of this kind, e.g. `org.freedesktop.systemd1.Service`.
    #[must_use]
    pub const fn interface(self) -> &'static str {
        match self {
            Self::Service => "org.freedesktop.systemd1.Service",
            Self::Socket => "org.freedesktop.systemd1.Socket",
            Self::Target => "org.freedesktop.systemd1.Target",
            Self::Device => "org.freedesktop.systemd1.Device",
            Self::Mount => "org.freedesktop.systemd1.Mount",
            Self::Automount => "org.freedesktop.systemd1.Automount",
            Self::Swap => "org.freedesktop.systemd1.Swap",
            Self::Timer => "org.freedesktop.systemd1.Timer",
            Self::Path => "org.freedesktop.systemd1.Path",
            Self::Slice => "org.freedesktop.systemd1.Slice",
            Self::Scope => "org.freedesktop.systemd1.Scope",
        }
    }

    /// Whether units of this kind run processes in a cgroup of their own.
    #[must_use]
    pub const fn has_cgroup(self) -> bool {
        matches!(
            self,
            Self::Service | Self::Socket | Self::Mount | Self::Swap | Self::Slice | Self::Scope
        )
    }

    /// Whether units of this kind start processes by an exec context (user, limits, sandbox).
    #[must_use]
    pub const fn has_exec(self) -> bool {
        matches!(
            self,
            Self::Service | Self::Socket | Self::Mount | Self::Swap
        )
    }

    /// Whether a unit of this kind may exist without a file, as soon as something names it.
    #[must_use]
    pub const fn exists_without_file(self) -> bool {
        matches!(self, Self::Slice | Self::Device)
    }
}
