//! The manager's own settings (`system.conf`, kernel command line), as the edge read them.

/// How status lines name a unit (`StatusUnitFormat=`), and with it the words of 2016 or of today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnitFormat {
    /// `My Web Service`, and the words of 2016.
    #[default]
    Description,
    /// `myweb.service`
    Name,
    /// `myweb.service - My Web Service`
    Combined,
}

/// Settings that hold for all units.
#[derive(Debug, Clone)]
pub struct ManagerConfig {
    /// `StatusUnitFormat=`
    pub unit_format: UnitFormat,
    /// `DefaultTimeoutStartSec=`, microseconds.
    pub timeout_start: u64,
    /// `DefaultTimeoutStopSec=`, microseconds.
    pub timeout_stop: u64,
    /// `DefaultRestartSec=`, microseconds.
    pub restart: u64,
    /// `DefaultDeviceTimeoutSec=`, microseconds.
    pub device_timeout: u64,
    /// `DefaultStartLimitIntervalSec=`, microseconds.
    pub start_limit_interval: u64,
    /// `DefaultStartLimitBurst=`
    pub start_limit_burst: u32,
    /// `DefaultTimerAccuracySec=`, microseconds.
    pub timer_accuracy: u64,
    /// Whether this manager may reboot or power off the machine; in a container it exits instead.
    pub container: bool,
    /// Variables that every process gets, `NAME=value` (PATH, LANG, `DefaultEnvironment=`).
    pub environment: Vec<String>,
    /// When user space began, microseconds since boot (`OnStartupSec=`).
    pub userspace_began: u64,
}

const SECOND: u64 = 1_000_000;

impl Default for ManagerConfig {
    fn default() -> Self {
        ManagerConfig {
            unit_format: UnitFormat::default(),
            timeout_start: 90 * SECOND,
            timeout_stop: 90 * SECOND,
            restart: SECOND / 10,
            device_timeout: 90 * SECOND,
            start_limit_interval: 10 * SECOND,
            start_limit_burst: 5,
            timer_accuracy: 60 * SECOND,
            container: false,
            environment: Vec::new(),
            userspace_began: 0,
        }
    }
}
