//! A server process that cannot outlive us, not even when we are killed.
//!
//! The server runs under a small shell that reads its orders, names of signals, from a pipe which only our
//! process holds open. When we end, however we end, the kernel closes the pipe: the shell reads the end of
//! file, ends the server and removes its folder. The shell ends when the server does, with its status.

use std::{
    ffi::OsString,
    io::Write,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    account::Account,
    error::{DevstackError, Doing},
    files::ServerFolder,
};

/// `$1` is the signal that ends the server at once, `$2` its folder, the rest its command line.
///
/// The orders are read on descriptor 3, as a job in the background gets `/dev/null` as standard input, and
/// the server must not inherit them. The file `orphaned` tells the shell that waits for the server that it
/// is the one to clean up.
const SCRIPT: &str = r#"
last_signal=$1 folder=$2
shift 2
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{
    while read -r signal <&3; do kill -s "$signal" "$server"; done
    : >"$folder/orphaned"
    kill -s "$last_signal" "$server"
} 2>/dev/null &
reader=$!
exec 3<&-
wait "$server"
status=$?
kill "$reader" 2>/dev/null
if [ -e "$folder/orphaned" ]; then cd / && rm -rf "$folder"; fi
exit "$status"
"#;

/// How long a server may take to end at its last signal before it is killed.
const LAST_SIGNAL_GRACE: Duration = Duration::from_secs(5);

/// How often the end of a process is looked for.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Interrupt,
    Quit,
    Terminate,
    Kill,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
        }
    }
}

/// What to run, and how to end it.
#[derive(Debug, Clone)]
pub(super) struct ServerCommand {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) account: Option<Account>,
    /// Ends the server at once: on drop, and when our process is gone.
    pub(super) last_signal: Signal,
}

/// A running server under its guard. Ended on drop.
#[derive(Debug)]
pub(super) struct GuardedProcess {
    shell: Child,
    orders: ChildStdin,
    last_signal: Signal,
}

impl GuardedProcess {
    /// Starts the server in `folder`, with its output appended to the folder's log.
    pub(super) fn spawn(server: &ServerCommand, folder: &ServerFolder) -> Result<Self, DevstackError> {
        let log = folder.open_log()?;
        let errors = log.try_clone().doing("share the server's log")?;
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "celeriac-guard", server.last_signal.name()])
            .arg(folder.path())
            .arg(&server.program)
            .args(&server.arguments)
            // The messages we look for in the log must not be translated.
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir(folder.path())
            // Ctrl-C in a terminal goes to a whole process group: it is for us, and we end the servers last.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors);
        if let Some(account) = server.account {
            command.uid(account.user).gid(account.group);
        }
        let mut shell = command.spawn().doing(format!("start {}", server.program.display()))?;
        let orders = shell.stdin.take().expect("standard input was piped above");
        Ok(Self { shell, orders, last_signal: server.last_signal })
    }

    /// The server's exit status once it has ended.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, DevstackError> {
        self.shell.try_wait().doing("look after a server process")
    }

    /// Sends `signal` and waits until the server has ended, at most `patience`; then kills it.
    pub(super) async fn end(mut self, signal: Signal, patience: Duration) -> Result<(), DevstackError> {
        self.send(signal);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.ended()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        // Drop sends the last signal, waits and kills.
        Ok(())
    }

    /// A server that has already ended leaves nobody to read: that is what was wanted.
    fn send(&mut self, signal: Signal) {
        let order = format!("{}\n", signal.name());
        if let Err(error) = self.orders.write_all(order.as_bytes()) {
            tracing::debug!(%error, signal = signal.name(), "the guard has already ended");
        }
    }

    fn wait(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            match self.shell.try_wait() {
                Ok(None) if Instant::now() < deadline => thread::sleep(LOOK),
                Ok(None) => return false,
                Ok(Some(_)) | Err(_) => return true,
            }
        }
    }
}

impl Drop for GuardedProcess {
    fn drop(&mut self) {
        for signal in [self.last_signal, Signal::Kill] {
            if self.wait(Duration::ZERO) {
                return;
            }
            self.send(signal);
            if self.wait(LAST_SIGNAL_GRACE) {
                return;
            }
        }
        tracing::warn!(pid = self.shell.id(), "a private server could not be ended");
    }
}
