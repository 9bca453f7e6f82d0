//! A private PostgreSQL: a fresh cluster in a temporary folder, on a loopback port.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};

use super::{
    account::Account,
    cluster,
    error::{DevstackError, Doing},
    files::ServerFolder,
    find::{self, PostgresBinaries},
    guard::{GuardedProcess, ServerCommand, Signal},
    launch::{LOOK, launch},
    port,
};

/// The account of the cluster, without a password.
pub const SUPERUSER: &str = "celeriac";

const SERVER: &str = "PostgreSQL";

/// Two hundred, because a test binary may hold pools of several processes at once.
const MAX_CONNECTIONS_DEFAULT: u16 = 200;

/// Long, because a test may share two cores with a build.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long open transactions are given at [`PostgresServer::stop`] before they are cut off.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// One look at whether it answers. A server that is still recovering refuses at once.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// What a start's log says when it is worth another try: somebody took the port, or backends of a killed
/// server have not yet noticed that it is gone.
const PASSING: [&str; 2] = ["Address already in use", "shared memory block"];

/// How a private PostgreSQL is set up.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    pub max_connections: u16,
    /// Whether a commit waits for the disk. Off, commits still survive [`PostgresServer::kill`], as the
    /// operating system holds what was written; only a power cut would lose them.
    pub fsync: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { max_connections: MAX_CONNECTIONS_DEFAULT, fsync: false }
    }
}

/// A running private PostgreSQL. Ended and removed on drop, or when our process dies.
#[derive(Debug)]
pub struct PostgresServer {
    // Before the folder, so that the server ends before its folder is removed.
    process: Option<GuardedProcess>,
    binaries: PostgresBinaries,
    options: PostgresOptions,
    account: Option<Account>,
    port: u16,
    folder: ServerFolder,
}

impl PostgresServer {
    /// Makes a cluster and starts it, and returns once it answers.
    ///
    /// # Errors
    /// If PostgreSQL is not installed, or does not come up; the error quotes the end of its log.
    pub async fn start(options: PostgresOptions) -> Result<Self, DevstackError> {
        let binaries = find::postgres()?;
        let folder = ServerFolder::new("postgres")?;
        let account = Account::to_drop_to(folder.path())?;
        if let Some(account) = account {
            account.own(folder.path()).doing("give PostgreSQL its folder")?;
        }
        let mut server = Self { process: None, binaries, options, account, port: 0, folder };
        server.create_cluster().await?;
        let mut attempts_left = port::ATTEMPTS;
        loop {
            server.port = port::free();
            attempts_left -= 1;
            match server.launch(Instant::now() + START_PATIENCE).await {
                Err(error) if error.log_says(&PASSING) && attempts_left > 0 => {}
                other => return other.map(|()| server),
            }
        }
    }

    /// A connection URL for `database`. The database `postgres` always exists.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The loopback port, the same after a [`restart`](Self::restart).
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The programs it runs from, for a `pg_dump` of the same version.
    pub fn binaries(&self) -> &PostgresBinaries {
        &self.binaries
    }

    /// What the server said so far.
    pub fn log_path(&self) -> PathBuf {
        self.folder.log_path()
    }

    /// Creates an empty database.
    pub async fn create_database(&self, name: &str) -> Result<(), DevstackError> {
        self.administer(&format!("create the database {name}"), &format!("create database {}", quoted(name))).await
    }

    /// Creates a copy of the database `template`, to which nobody may be connected meanwhile.
    pub async fn create_database_from(&self, name: &str, template: &str) -> Result<(), DevstackError> {
        self.administer(
            &format!("copy the database {template} to {name}"),
            &format!("create database {} template {}", quoted(name), quoted(template)),
        )
        .await
    }

    /// Drops a database if it exists, cutting off whoever is connected to it.
    pub async fn drop_database(&self, name: &str) -> Result<(), DevstackError> {
        self.administer(&format!("drop the database {name}"), &format!("drop database if exists {} with (force)", quoted(name))).await
    }

    /// Shuts it down in order: connections are cut, everything committed is on disk. Nothing if it is down.
    pub async fn stop(&mut self) -> Result<(), DevstackError> {
        self.end(Signal::Interrupt).await
    }

    /// Kills the server process as a crash would. Nothing if it is down.
    pub async fn kill(&mut self) -> Result<(), DevstackError> {
        self.end(Signal::Kill).await
    }

    /// Stops it if it runs, and starts it again on the same data and port.
    pub async fn restart(&mut self) -> Result<(), DevstackError> {
        self.stop().await?;
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            match self.launch(deadline).await {
                Err(error) if error.log_says(&PASSING) && Instant::now() < deadline => {
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

    /// On a thread of its own, as it copies or runs a program for seconds.
    async fn create_cluster(&self) -> Result<(), DevstackError> {
        let (binaries, data, account) = (self.binaries.clone(), self.data(), self.account);
        tokio::task::spawn_blocking(move || cluster::create(&binaries, &data, account))
            .await
            .map_err(std::io::Error::other)
            .doing("create a PostgreSQL cluster")?
    }

    async fn launch(&mut self, deadline: Instant) -> Result<(), DevstackError> {
        let command = ServerCommand {
            program: self.binaries.program("postgres"),
            arguments: self.arguments(),
            account: self.account,
            last_signal: Signal::Quit,
        };
        let process = launch(SERVER, &command, &self.folder, deadline, || self.answers()).await?;
        self.process = Some(process);
        Ok(())
    }

    fn arguments(&self) -> Vec<OsString> {
        let on_off = if self.options.fsync { "on" } else { "off" };
        let mut arguments = vec![OsString::from("-D"), self.data().into()];
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            // No socket file: its path may be longer than the system allows, and TCP is what is tested.
            "unix_socket_directories=".to_owned(),
            format!("max_connections={}", self.options.max_connections),
            format!("fsync={on_off}"),
            // Guards against pages torn by a power cut, like fsync.
            format!("full_page_writes={on_off}"),
            "logging_collector=off".to_owned(),
            "log_timezone=UTC".to_owned(),
            "timezone=UTC".to_owned(),
        ] {
            arguments.push("-c".into());
            arguments.push(setting.into());
        }
        arguments
    }

    /// Whether the server on our port answers and is ours: another one may have taken the port just before.
    async fn answers(&self) -> bool {
        let asked = async {
            let mut connection = self.connect().await?;
            sqlx::query_scalar("show data_directory").fetch_one(&mut connection).await
        };
        let directory: Result<Result<String, sqlx::Error>, _> = tokio::time::timeout(PROBE_PATIENCE, asked).await;
        matches!(directory, Ok(Ok(directory)) if self.data() == Path::new(&directory))
    }

    async fn administer(&self, doing: &str, statement: &str) -> Result<(), DevstackError> {
        let done = async {
            let mut connection = self.connect().await?;
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
            connection.close().await
        };
        done.await.map_err(|source| DevstackError::Sql { doing: doing.to_owned(), source })
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::from_str(&self.url("postgres"))?;
        PgConnection::connect_with(&options).await
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// `name` as an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
