//! The servers and processes of the demo, and what it asks of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use age::secrecy::ExposeSecret;
use anyhow::{Context, bail, ensure};
use base64::Engine;
use celeriac_jobs::storage::Storage;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::devstack::{Persistence, PostgresOptions, PostgresServer, RedisOptions, RedisServer};
use crate::documents::{self, Upload};
use crate::out::announce;
use crate::standin::openai::{OpenAiStub, Options};
use crate::standin::smtp::{self, SmtpStub};

const DATABASE: &str = "celeriac";
const PROCESSES: [(&str, &[&str]); 3] = [("celeriac-worker", &[]), ("celeriac-scheduler", &[]), ("celeriac", &["serve"])];
/// How long a process may take to stop in good order.
const GRACE: Duration = Duration::from_secs(10);

/// The running demo. Dropping it takes everything down at once; [`Stack::stop`] does so in good order.
pub struct Stack {
    processes: Vec<(&'static str, Child)>,
    environment: BTreeMap<&'static str, String>,
    console: u16,
    pub(super) pool: PgPool,
    stub: Option<OpenAiStub>,
    mail: SmtpStub,
    _redis: RedisServer,
    _postgres: PostgresServer,
    // Last: the processes that use it are gone by then.
    folder: TempDir,
}

impl Stack {
    /// # Errors
    /// When a server does not come up or a process is not healthy in time.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("celeriac-demo-")?;
        let redis_options = RedisOptions { persistence: Persistence::EverySecond, ..RedisOptions::default() };
        let postgres_options = PostgresOptions { fsync: true, ..PostgresOptions::default() };
        let (postgres, redis) = tokio::try_join!(PostgresServer::start(postgres_options), RedisServer::start(redis_options))?;
        postgres.create_database(DATABASE).await?;
        let pool = PgPool::connect(&postgres.url(DATABASE)).await?;
        celeriac_migrations::up(&pool).await?;

        let stub = match std::env::var("OPENAI_API_KEY").is_ok_and(|key| !key.is_empty()) {
            true => None,
            false => Some(OpenAiStub::start(Options::default()).await?),
        };
        let mail = SmtpStub::start(smtp::Options::default()).await?;
        let console = free_port()?;
        let mut environment = environment(&folder, &postgres, &redis, stub.as_ref(), console)?;
        environment.extend([
            ("EMAIL_HOST", "127.0.0.1".to_owned()),
            ("EMAIL_PORT", mail.port().to_string()),
            // Whatever a .env of this folder says of another server.
            ("EMAIL_USE_TLS", "false".to_owned()),
            ("EMAIL_USE_SSL", "false".to_owned()),
            ("USE_S3", "false".to_owned()),
            ("DEFAULT_FROM_EMAIL", "Celeriac demo <no-reply@demo.example>".to_owned()),
            ("SITE_URL", "https://demo.example".to_owned()),
        ]);
        let mut stack = Self { processes: Vec::new(), environment, console, pool, stub, mail, _redis: redis, _postgres: postgres, folder };
        for (name, arguments) in PROCESSES {
            stack.spawn(name, arguments)?;
        }
        stack.until_healthy().await?;
        Ok(stack)
    }

    fn spawn(&mut self, name: &'static str, arguments: &[&str]) -> anyhow::Result<()> {
        let program = std::env::current_exe()?.with_file_name(name);
        let log = File::create(self.log_path(name))?;
        let child = Command::new(&program)
            .args(arguments)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started: build it with `cargo build --bins`", program.display()))?;
        self.processes.push((name, child));
        Ok(())
    }

    /// The console answers, and says that a worker is there.
    async fn until_healthy(&mut self) -> anyhow::Result<()> {
        let url = format!("{}health/?full=1", self.console_url());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        let mut last = String::new();
        while tokio::time::Instant::now() < deadline {
            for (name, child) in &mut self.processes {
                if let Some(status) = child.try_wait()? {
                    let log = std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default();
                    bail!("{name} ended at once ({status}):\n{log}");
                }
            }
            last = match reqwest::get(&url).await {
                Ok(answer) => {
                    let health: serde_json::Value = answer.json().await?;
                    if health["checks"]["workers"]["count"].as_u64().unwrap_or(0) > 0 {
                        return Ok(());
                    }
                    health.to_string()
                }
                Err(error) => error.to_string(),
            };
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the system is not healthy after 30 s: {last}")
    }

    pub fn console_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.console)
    }

    /// Which model answers, in words.
    pub fn model(&self) -> String {
        match self.stub {
            Some(_) => "the local stand-in (set OPENAI_API_KEY to use OpenAI)".to_owned(),
            None => "OpenAI".to_owned(),
        }
    }

    /// Where everything is, as lines to copy into a shell.
    pub fn addresses(&self) -> String {
        let names = ["DATABASE_URL", "REDIS_URL", "MEDIA_ROOT", "BACKUP_DIR", "FIELD_ENCRYPTION_KEYS"];
        let lines = names.map(|name| format!("  export {name}={}", self.environment[name]));
        format!("\nConsole: {}\nFor `celeriac` in another shell:\n{}", self.console_url(), lines.join("\n"))
    }

    pub(super) fn field_keys(&self) -> &str {
        &self.environment["FIELD_ENCRYPTION_KEYS"]
    }

    /// What the mail server of the demo has taken.
    pub(super) fn mails(&self) -> Vec<smtp::Mail> {
        self.mail.counters().mails
    }

    /// As the web app, with the user's consent and address.
    pub(super) async fn upload(&self, user_id: i64, file: &Path) -> anyhow::Result<()> {
        sqlx::query!(
            "insert into celeriac.recipients (user_id, email) values ($1, 'user-' || $1::bigint || '@demo.example') on conflict do nothing",
            user_id
        )
        .execute(&self.pool)
        .await?;
        let storage = Storage::local(Path::new(&self.environment["MEDIA_ROOT"]))?;
        documents::add(&self.pool, &storage, Upload { file, user_id, consent: true }).await?;
        Ok(())
    }

    /// Fires a schedule by hand and waits for the end of its run.
    pub(super) async fn fire(&self, schedule: &str) -> anyhow::Result<()> {
        let instant = chrono::Utc::now();
        sqlx::query!("select celeriac.fire($1, $2, 'by_hand')", schedule, instant).fetch_one(&self.pool).await?;
        loop {
            let run = sqlx::query!(
                "select outcome, error from celeriac.schedule_runs where schedule = $1 and finished_at is not null
                 order by id desc limit 1",
                schedule
            )
            .fetch_optional(&self.pool)
            .await?;
            if let Some(run) = run {
                ensure!(run.outcome.as_deref() == Some("finished"), "{schedule} ended otherwise: {}", run.error.unwrap_or_default());
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// For a demo that failed: says what the processes said.
    pub(super) fn keep_logs(&self) {
        for (name, _) in &self.processes {
            let log = std::fs::read_to_string(self.log_path(name)).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            announce(&format!("--- last lines of {name} ---"));
            tail.iter().rev().for_each(|line| announce(line));
        }
    }

    /// SIGTERM to each process, a while to finish, then the servers.
    pub async fn stop(mut self) {
        self.pool.close().await;
        for (_, child) in &self.processes {
            if let Some(pid) = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        for (_, child) in &mut self.processes {
            if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
}

/// What the processes of the demo find in their environment, beyond what the caller has.
fn environment(
    folder: &TempDir,
    postgres: &PostgresServer,
    redis: &RedisServer,
    stub: Option<&OpenAiStub>,
    console: u16,
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let identity = age::x25519::Identity::generate();
    let field_key = base64::engine::general_purpose::URL_SAFE.encode(rand::random::<[u8; 32]>());
    let schedules = std::env::current_dir()?.join("schedules.toml");
    let below = |name: &str| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path.display().to_string())
    };
    let mut environment = BTreeMap::from([
        ("DATABASE_URL", postgres.url(DATABASE)),
        ("REDIS_URL", redis.url()),
        ("PG_BIN", postgres.binaries().folder().display().to_string()),
        ("MEDIA_ROOT", below("media")?),
        ("BACKUP_DIR", below("backups")?),
        ("BACKUP_RECIPIENT", identity.to_public().to_string()),
        ("BACKUP_IDENTITY", identity.to_string().expose_secret().to_owned()),
        ("FIELD_ENCRYPTION_KEYS", field_key),
        ("SCHEDULES_FILE", schedules.display().to_string()),
        ("BIND", format!("127.0.0.1:{console}")),
        ("LOG_FORMAT", "text".to_owned()),
    ]);
    if let Some(stub) = stub {
        environment.insert("OPENAI_BASE_URL", stub.url().to_owned());
        environment.insert("OPENAI_API_KEY", "sk-local-stand-in".to_owned());
    }
    Ok(environment)
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
