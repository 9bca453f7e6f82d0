//! A private Redis (or Valkey) on a loopback port, with its data in a temporary folder.

use std::{
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    error::DevstackError,
    files::ServerFolder,
    find::{self, RedisBinary},
    guard::{GuardedProcess, ServerCommand, Signal},
    launch::{LOOK, launch},
    port, redis_probe,
};

const SERVER: &str = "Redis";

/// Long, because a test may share two cores with a build.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take to write what it holds at [`RedisServer::stop`].
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// What a start's log says when somebody took the port.
const PORT_TAKEN: &str = "Address already in use";

/// What a private Redis keeps on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Persistence {
    /// Nothing: a restart begins empty.
    #[default]
    Nothing,
    /// The append-only file, synced to disk once a second: what production runs with.
    EverySecond,
    /// The append-only file, synced at every write.
    EveryWrite,
}

/// Certificates for a Redis that also speaks TLS, as PEM files. Clients need no certificate of their own.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authority: PathBuf,
}

/// How a private Redis is set up.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    pub persistence: Persistence,
    /// Adds a TLS port, to which [`RedisServer::url`] then points.
    pub tls: Option<TlsFiles>,
    /// As a node of a cluster that knows no other node yet: see [`RedisCluster`](super::RedisCluster).
    pub in_cluster: bool,
}

/// A running private Redis. Ended and removed on drop, or when our process dies.
#[derive(Debug)]
pub struct RedisServer {
    // Before the folder, so that the server ends before its folder is removed.
    process: Option<GuardedProcess>,
    binary: RedisBinary,
    options: RedisOptions,
    settings: Vec<(String, String)>,
    ports: Ports,
    folder: ServerFolder,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    plain: u16,
    tls: Option<u16>,
}

impl Ports {
    fn free(with_tls: bool) -> Self {
        Self { plain: port::free(), tls: with_tls.then(port::free) }
    }
}

impl RedisServer {
    /// Starts a Redis, and returns once it answers.
    ///
    /// # Errors
    /// If Redis is not installed, or does not come up; the error quotes the end of its log.
    pub async fn start(options: RedisOptions) -> Result<Self, DevstackError> {
        let mut server = Self {
            process: None,
            binary: find::redis()?,
            ports: Ports::free(options.tls.is_some()),
            options,
            settings: Vec::new(),
            folder: ServerFolder::new("redis")?,
        };
        let mut attempts_left = port::ATTEMPTS;
        loop {
            attempts_left -= 1;
            match server.launch(Instant::now() + START_PATIENCE).await {
                Err(error) if error.log_says(&[PORT_TAKEN]) && attempts_left > 0 => {
                    server.ports = Ports::free(server.options.tls.is_some());
                }
                other => return other.map(|()| server),
            }
        }
    }

    /// The connection URL: `rediss://` if TLS was asked for, else `redis://`.
    pub fn url(&self) -> String {
        match self.ports.tls {
            Some(port) => format!("rediss://127.0.0.1:{port}/0"),
            None => self.plain_url(),
        }
    }

    /// The connection URL without TLS, for a look from outside while clients use TLS.
    pub fn plain_url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.ports.plain)
    }

    /// The port without TLS, the same after a [`restart`](Self::restart).
    pub fn port(&self) -> u16 {
        self.ports.plain
    }

    /// The port that a cluster's nodes know it by.
    pub(super) fn cluster_port(&self) -> u16 {
        self.ports.tls.unwrap_or(self.ports.plain)
    }

    /// What it said last, for an error.
    pub(super) fn log_tail(&self) -> String {
        self.folder.log_tail(0)
    }

    /// Adds a setting as in `redis.conf`, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((format!("--{name}"), value.to_owned()));
    }

    /// The program it runs from.
    pub fn binary(&self) -> &RedisBinary {
        &self.binary
    }

    /// What the server said so far.
    pub fn log_path(&self) -> PathBuf {
        self.folder.log_path()
    }

    /// Shuts it down in order: what it is to keep is on disk. Nothing if it is down.
    pub async fn stop(&mut self) -> Result<(), DevstackError> {
        self.end(Signal::Terminate).await
    }

    /// Kills it as a crash would. Nothing if it is down.
    pub async fn kill(&mut self) -> Result<(), DevstackError> {
        self.end(Signal::Kill).await
    }

    /// Stops it if it runs, and starts it again on the same folder and ports.
    pub async fn restart(&mut self) -> Result<(), DevstackError> {
        self.stop().await?;
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            match self.launch(deadline).await {
                Err(error) if error.log_says(&[PORT_TAKEN]) && Instant::now() < deadline => {
                    tokio::time::sleep(LOOK).await;
                }
                other => return other,
            }
        }
    }

    async fn end(&mut self, signal: Signal) -> Result<(), DevstackError> {
        match self.process.take() {
            Some(process) => process.end(signal, STOP_PATIENCE).await,
            None => Ok(()),
        }
    }

    async fn launch(&mut self, deadline: Instant) -> Result<(), DevstackError> {
        let command = ServerCommand {
            program: self.binary.program().to_owned(),
            arguments: self.arguments(),
            account: None,
            last_signal: Signal::Kill,
        };
        let folder = self.folder.path();
        let answers = || redis_probe::answers(self.ports.plain, folder);
        let process = launch(SERVER, &command, &self.folder, deadline, answers).await?;
        self.process = Some(process);
        Ok(())
    }

    fn arguments(&self) -> Vec<OsString> {
        let (appendonly, appendfsync) = match self.options.persistence {
            Persistence::Nothing => ("no", "no"),
            Persistence::EverySecond => ("yes", "everysec"),
            Persistence::EveryWrite => ("yes", "always"),
        };
        let mut settings: Vec<(&str, OsString)> = vec![
            ("--bind", "127.0.0.1".into()),
            ("--port", self.ports.plain.to_string().into()),
            ("--dir", self.folder.path().into()),
            ("--save", "".into()),
            ("--appendonly", appendonly.into()),
            ("--appendfsync", appendfsync.into()),
            // A queue must never lose entries to make room.
            ("--maxmemory-policy", "noeviction".into()),
            // A replica is given its copy at once: there are no others to wait for.
            ("--repl-diskless-sync-delay", "0".into()),
        ];
        if let (Some(port), Some(files)) = (self.ports.tls, &self.options.tls) {
            settings.extend([
                ("--tls-port", port.to_string().into()),
                ("--tls-cert-file", files.certificate.clone().into()),
                ("--tls-key-file", files.key.clone().into()),
                ("--tls-ca-cert-file", files.authority.clone().into()),
                ("--tls-auth-clients", "no".into()),
            ]);
        }
        if self.options.in_cluster {
            settings.extend([
                ("--cluster-enabled", "yes".into()),
                ("--cluster-node-timeout", "2000".into()),
                // A dead node stops its own slots only.
                ("--cluster-require-full-coverage", "no".into()),
            ]);
            if self.options.tls.is_some() {
                settings.extend([("--tls-cluster", "yes".into()), ("--tls-replication", "yes".into())]);
            }
        }
        let added = self.settings.iter().flat_map(|(name, value)| [name.into(), value.into()]);
        settings.into_iter().flat_map(|(name, value)| [name.into(), value]).chain(added).collect()
    }
}
