//! Masquerade and forward rules: written by `iptables-restore`, looked after for as long as we run.

use std::process::Stdio;
use std::time::Duration;

use flannel_core::rules::{Rules, ours};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// Another program may hold the lock of the tables.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the rules could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FirewallError {
    #[error("cannot run {program}")]
    Run {
        program: &'static str,
        source: std::io::Error,
    },
    #[error("{program} did not end within {} s", PATIENCE.as_secs())]
    Slow { program: &'static str },
    #[error("{program} says: {text}")]
    Refused { program: &'static str, text: String },
}

/// The rules and what was last seen of them.
#[derive(Debug)]
pub(crate) struct Firewall {
    rules: Rules,
    /// Our lines right after they were written.
    written: Option<Vec<String>>,
    trouble: String,
}

impl Firewall {
    pub(crate) fn new(rules: Rules) -> Firewall {
        Firewall {
            rules,
            written: None,
            trouble: String::new(),
        }
    }

    /// Writes the rules when they are not as we left them. What fails is said once.
    pub(crate) async fn ensure(&mut self) {
        match self.look().await {
            Ok(()) => self.trouble.clear(),
            Err(error) => {
                let text = crate::chain(&error);
                if self.trouble != text {
                    tracing::warn!(
                        "packets of the overlay may not be forwarded or masqueraded: {text}"
                    );
                    self.trouble = text;
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), FirewallError> {
        let saved = run("iptables-save", &[], None).await?;
        if self
            .written
            .as_ref()
            .is_some_and(|written| *written == ours(&saved))
        {
            return Ok(());
        }
        let again = self.written.is_some();
        if let Some(text) = self.rules.restore(&saved) {
            run("iptables-restore", &["--noflush", "--wait"], Some(text)).await?;
            if again {
                tracing::info!(
                    "the rules of the packet filter were changed by somebody and are written again"
                );
            }
        }
        self.written = Some(ours(&run("iptables-save", &[], None).await?));
        Ok(())
    }

    /// Looks again and again.
    pub(crate) async fn keep(mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            self.ensure().await;
        }
    }
}

async fn run(
    program: &'static str,
    arguments: &[&str],
    input: Option<String>,
) -> Result<String, FirewallError> {
    let failed = |source| FirewallError::Run { program, source };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let whole = async {
        let mut child = command.spawn()?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(text.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = timeout(PATIENCE, whole)
        .await
        .map_err(|_| FirewallError::Slow { program })?
        .map_err(failed)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(FirewallError::Refused { program, text })
    }
}
