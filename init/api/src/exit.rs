//! Exit statuses: the names after the slash in `status=203/EXEC`, and the steps that PID 1's exec
//! helper fails with.

/// A step between fork and exec that can fail, with the status that the process then ends with.
/// Numbers are those of systemd.exec(5), "Process Exit Codes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ExecStep(u8);

macro_rules! steps {
    ($($constant:ident = $code:literal),+ $(,)?) => {
        impl ExecStep {
            $(#[doc = concat!("Exit status ", $code, ", `", stringify!($constant), "`.")]
            pub const $constant: Self = Self($code);)+
        }
        const STEPS: &[(u8, &str)] = &[$(($code, stringify!($constant))),+];
    };
}

steps! {
    CHDIR = 200, NICE = 201, FDS = 202, EXEC = 203, MEMORY = 204, LIMITS = 205, OOM_ADJUST = 206,
    SIGNAL_MASK = 207, STDIN = 208, STDOUT = 209, CHROOT = 210, IOPRIO = 211, TIMERSLACK = 212,
    SECUREBITS = 213, SETSCHEDULER = 214, CPUAFFINITY = 215, GROUP = 216, USER = 217,
    CAPABILITIES = 218, CGROUP = 219, SETSID = 220, CONFIRM = 221, STDERR = 222, PAM = 224,
    NETWORK = 225, NAMESPACE = 226, NO_NEW_PRIVILEGES = 227, SECCOMP = 228, SELINUX_CONTEXT = 229,
    PERSONALITY = 230, APPARMOR = 231, ADDRESS_FAMILIES = 232, RUNTIME_DIRECTORY = 233,
    CHOWN = 235, SMACK_PROCESS_LABEL = 236, KEYRING = 237, STATE_DIRECTORY = 238,
    CACHE_DIRECTORY = 239, LOGS_DIRECTORY = 240, CONFIGURATION_DIRECTORY = 241, NUMA_POLICY = 242,
    CREDENTIALS = 243, BPF = 245,
}

impl ExecStep {
    /// The exit status.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// The step that this exit status stands for.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        STEPS
            .iter()
            .any(|(known, _)| *known == code)
            .then_some(Self(code))
    }

    /// The name after the slash, e.g. `EXEC`.
    #[must_use]
    pub fn name(self) -> &'static str {
        find(STEPS, self.0).unwrap_or("EXEC")
    }
}

const LIBC: &[(u8, &str)] = &[(0, "SUCCESS"), (1, "FAILURE")];
const LSB: &[(u8, &str)] = &[
    (2, "INVALIDARGUMENT"),
    (3, "NOTIMPLEMENTED"),
    (4, "NOPERMISSION"),
    (5, "NOTINSTALLED"),
    (6, "NOTCONFIGURED"),
    (7, "NOTRUNNING"),
];
const BSD: &[(u8, &str)] = &[
    (64, "USAGE"),
    (65, "DATAERR"),
    (66, "NOINPUT"),
    (67, "NOUSER"),
    (68, "NOHOST"),
    (69, "UNAVAILABLE"),
    (70, "SOFTWARE"),
    (71, "OSERR"),
    (72, "OSFILE"),
    (73, "CANTCREAT"),
    (74, "IOERR"),
    (75, "TEMPFAIL"),
    (76, "PROTOCOL"),
    (77, "NOPERM"),
    (78, "CONFIG"),
];
const OTHER: &[(u8, &str)] = &[(255, "EXCEPTION")];

fn find(table: &[(u8, &'static str)], code: u8) -> Option<&'static str> {
    table
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, name)| *name)
}

/// The name of an exit status, as `systemctl status` prints it after the slash.
#[must_use]
pub fn status_name(code: u8) -> Option<&'static str> {
    [LIBC, STEPS, LSB, BSD, OTHER]
        .iter()
        .find_map(|table| find(table, code))
}

/// The exit status that a name (as in `SuccessExitStatus=TEMPFAIL`) stands for.
#[must_use]
pub fn status_from_name(name: &str) -> Option<u8> {
    [LIBC, STEPS, LSB, BSD, OTHER]
        .iter()
        .flat_map(|table| table.iter())
        .find(|(_, known)| *known == name)
        .map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree_both_ways() {
        for code in 0..=u8::MAX {
            if let Some(name) = status_name(code) {
                assert_eq!(status_from_name(name), Some(code), "{name}");
            }
        }
        assert_eq!(status_name(203), Some("EXEC"));
        assert_eq!(status_name(42), None);
        assert_eq!(ExecStep::OOM_ADJUST.name(), "OOM_ADJUST");
    }
}
