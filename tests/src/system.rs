//! One installation of its own, for one test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use celeriac_ops::devstack::{RedisCluster, RedisOptions, RedisServer};
use celeriac_ops::standin::openai::OpenAiStub;
use celeriac_queue::{Client, Connection, Inspector, Namespace, RedisConfig};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, PgPool};
use tempfile::TempDir;

use crate::eventually;
use crate::process::{Process, program};

/// A Fernet key for tests; the Python test decrypts with it.
const FIELD_KEY: &str = "dGVzdC1rZXktMzItYnl0ZXMtbG9uZy1mb3ItZmVybmU=";

/// What a test wants otherwise.
#[derive(Default)]
pub struct SystemOptions {
    /// A Redis of its own, for tests that restart or empty it.
    pub own_redis: Option<RedisOptions>,
    /// A Redis Cluster of its own instead.
    pub own_cluster: Option<RedisOptions>,
    pub openai: celeriac_ops::standin::openai::Options,
}

/// Stores, folders and stand-ins of one test, and the environment its processes get.
pub struct System {
    pub environment: BTreeMap<String, String>,
    pub pool: PgPool,
    pub client: Client,
    pub openai: OpenAiStub,
    pub own_redis: Option<RedisServer>,
    pub own_cluster: Option<RedisCluster>,
    folder: TempDir,
    database: String,
    started: usize,
}

fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `make test`, which starts private servers"))
}

impl System {
    pub async fn start() -> Self {
        Self::with(SystemOptions::default()).await
    }

    pub async fn with(options: SystemOptions) -> Self {
        let folder = TempDir::with_prefix("celeriac-test-").expect("a temporary folder");
        for name in ["media", "backups", "checkpoints"] {
            std::fs::create_dir(folder.path().join(name)).expect("a fresh folder");
        }
        let (database_url, database) = create_database().await;
        let pool = PgPoolOptions::new().max_connections(5).connect(&database_url).await.expect("the new database");
        celeriac_migrations::up(&pool).await.expect("the migrations");

        let authority = options.own_redis.as_ref().and_then(|redis| redis.tls.as_ref()).map(|tls| tls.authority.clone());
        let own_redis = match options.own_redis {
            Some(redis) => Some(RedisServer::start(redis).await.expect("a private Redis")),
            None => None,
        };
        let own_cluster = match options.own_cluster {
            Some(redis) => Some(RedisCluster::start(redis).await.expect("a private Redis Cluster")),
            None => None,
        };
        let own_url = own_redis.as_ref().map(RedisServer::url).or_else(|| own_cluster.as_ref().map(RedisCluster::url));
        let redis_url = own_url.unwrap_or_else(|| needed("CELERIAC_TEST_REDIS_URL"));
        let prefix = format!("t{}", uuid::Uuid::new_v4().simple());
        let mut redis = RedisConfig::new(&redis_url);
        celeriac_process::connect::install_tls();
        redis.ca_file.clone_from(&authority);
        redis.namespace = Namespace::parse(&prefix).expect("a plain prefix");
        let client = Client::connect(&redis).await.expect("Redis");
        let openai = OpenAiStub::start(options.openai).await.expect("the OpenAI stand-in");

        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut environment: BTreeMap<String, String> = [
            ("DATABASE_URL", database_url),
            ("REDIS_URL", redis_url),
            ("REDIS_PREFIX", prefix),
            ("OPENAI_API_KEY", "sk-test".to_owned()),
            ("OPENAI_BASE_URL", openai.url().to_owned()),
            ("MEDIA_ROOT", path("media")),
            ("BACKUP_DIR", path("backups")),
            ("FIELD_ENCRYPTION_KEYS", FIELD_KEY.to_owned()),
            // Short, so that a crash is noticed within a test's patience.
            ("WORKER_LEASE", "2s".to_owned()),
            ("WORKER_GRACE", "5s".to_owned()),
            ("SCHEDULER_LEASE", "2s".to_owned()),
            ("RELAY_SWEEP", "1s".to_owned()),
            ("DOCUMENT_RETRY_BASE", "200ms".to_owned()),
            // Every document has its own calls, whatever else is installed here and was asked before.
            ("DOCUMENT_OCR", "vision".to_owned()),
            ("DOCUMENT_MEMO", "false".to_owned()),
            ("LOG_LEVEL", "info,celeriac_queue=debug,celeriac_worker=debug,celeriac_scheduler=debug".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some(authority) = authority {
            environment.insert("REDIS_CA_FILE".to_owned(), authority.display().to_string());
        }
        // What programs need from the machine, and nothing else of the caller's environment.
        for name in ["PATH", "HOME", "TMPDIR", "LANG", "PG_BIN"] {
            if let Ok(value) = std::env::var(name) {
                environment.insert(name.to_owned(), value);
            }
        }
        Self { environment, pool, client, openai, own_redis, own_cluster, folder, database, started: 0 }
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn media(&self) -> PathBuf {
        self.folder.path().join("media")
    }

    pub fn connection(&self) -> &Connection {
        self.client.connection()
    }

    pub fn inspector(&self) -> Inspector {
        Inspector::new(self.connection().clone())
    }

    pub fn worker(&mut self) -> Process {
        self.process("celeriac-worker", &[])
    }

    pub fn scheduler(&mut self) -> Process {
        self.process("celeriac-scheduler", &[])
    }

    /// Starts one of our programs in this system's environment.
    pub fn process(&mut self, name: &str, arguments: &[&str]) -> Process {
        self.started += 1;
        let label = format!("{name}-{}", self.started);
        Process::start(&program(name), arguments, &self.environment, self.folder.path(), &label)
    }

    /// Starts the running test program anew, as a process of its own that runs nothing but that ignored test.
    pub fn this_test(&mut self, name: &str) -> Process {
        self.started += 1;
        let label = format!("test-process-{}", self.started);
        let program = std::env::current_exe().expect("a test knows its own path");
        let arguments = ["--exact", name, "--ignored", "--nocapture"];
        Process::start(&program, &arguments, &self.environment, self.folder.path(), &label)
    }

    /// A port that was free a moment ago.
    pub fn free_port(&self) -> u16 {
        std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
    }

    /// Runs a `celeriac` command to its end and returns (success, standard output, standard error).
    pub async fn celeriac(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = tokio::process::Command::new(program("celeriac"))
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.folder.path())
            .output()
            .await
            .expect("celeriac can be started");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    /// As the web app: stores a file, and in one transaction inserts its row and enqueues its job. Returns the document's id.
    pub async fn upload(&self, user: i64, name: &str, bytes: &[u8]) -> i64 {
        let extension = name.rsplit_once('.').map_or("bin", |(_, extension)| extension);
        let relative = format!("documents/user_{user}/{}.{extension}", uuid::Uuid::new_v4());
        let path = self.media().join(&relative);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the media folder is writable");
        std::fs::write(&path, bytes).expect("the media folder is writable");
        let mut transaction = self.pool.begin().await.expect("PostgreSQL");
        let id: i64 = sqlx::query_scalar("insert into celeriac.documents (user_id, file_path, file_name) values ($1, $2, $3) returning id")
            .bind(user)
            .bind(&relative)
            .bind(name)
            .fetch_one(&mut *transaction)
            .await
            .expect("the document's row");
        sqlx::query("select celeriac.enqueue('process_document', jsonb_build_object('document_id', $1::bigint), id => 'document-' || $1)")
            .bind(id)
            .execute(&mut *transaction)
            .await
            .expect("the outbox row");
        transaction.commit().await.expect("the commit");
        id
    }

    /// Waits for a document's end. Returns its status and its sentence.
    pub async fn document_ended(&self, id: i64) -> (String, Option<String>) {
        eventually(&format!("the end of document {id}"), || async {
            let row: (String, Option<String>) = sqlx::query_as("select status, error_message from celeriac.documents where id = $1")
                .bind(id)
                .fetch_one(&self.pool)
                .await
                .expect("the document's row");
            if row.0 == "completed" || row.0 == "failed" { Ok(row) } else { Err(row) }
        })
        .await
    }

    /// Records a user's consent.
    pub async fn consent(&self, user: i64) {
        sqlx::query("insert into celeriac.consents (user_id) values ($1) on conflict do nothing")
            .bind(user)
            .execute(&self.pool)
            .await
            .expect("the consent");
    }

    /// Nothing waits, runs or is held in any queue, and every outbox row is confirmed.
    ///
    /// # Errors
    /// What is left, in words.
    pub async fn is_quiet(&self) -> Result<(), String> {
        for queue in self.inspector().queues().await.map_err(|error| error.to_string())? {
            if queue.ready + queue.scheduled + queue.running + queue.notices > 0 {
                return Err(format!(
                    "{}: {} ready, {} scheduled, {} running, {} notices",
                    queue.name, queue.ready, queue.scheduled, queue.running, queue.notices
                ));
            }
        }
        let open: Vec<(String, bool)> =
            sqlx::query_as("select id, relayed_at is not null from celeriac.outbox where done_at is null limit 5")
                .fetch_all(&self.pool)
                .await
                .map_err(|error| error.to_string())?;
        if open.is_empty() { Ok(()) } else { Err(format!("outbox rows not confirmed (id, relayed): {open:?}")) }
    }

    /// Every key of the queues that would stay behind a finished job: leases, tries, progress, cancellations, and what is left of jobs.
    pub async fn leftovers(&self) -> Vec<String> {
        let mut redis = self.raw_redis().await;
        let prefix = self.connection().namespace().as_str().to_owned();
        let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}:*")).query_async(&mut redis).await.expect("KEYS");
        // What may stay: the limits of the model, the set of queues, workers' cards, counters, records of ended jobs and a wake token.
        let kept = ["queues", "workers", "meta", "stats", "wake", "finished", "dead", "outcomes", "jobs", "seen"];
        let stays = |key: &str| {
            key.contains(":worker:")
                || key.contains(":history:")
                || key.contains(":{@admission}:")
                || kept.iter().any(|name| key.ends_with(&format!(":{name}")))
        };
        keys.into_iter().filter(|key| !stays(key)).collect()
    }

    /// A plain connection to this system's Redis.
    pub async fn raw_redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.environment["REDIS_URL"].as_str()).expect("the URL");
        client.get_multiplexed_async_connection().await.expect("Redis")
    }

    /// Ends the test in good order: drops the database.
    pub async fn finish(self) {
        self.pool.close().await;
        let admin: PgConnectOptions = needed("DATABASE_URL").parse().expect("DATABASE_URL");
        let mut connection = admin.connect().await.expect("PostgreSQL");
        let statement = format!("drop database if exists \"{}\" with (force)", self.database);
        let _ = sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await;
        let _ = connection.close().await;
    }
}

/// A new empty database on the server that DATABASE_URL names. Returns its URL and name.
async fn create_database() -> (String, String) {
    let base = needed("DATABASE_URL");
    let admin: PgConnectOptions = base.parse().expect("DATABASE_URL");
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let mut connection = admin.connect().await.expect("PostgreSQL at DATABASE_URL");
    sqlx::query(AssertSqlSafe(format!("create database \"{name}\""))).execute(&mut connection).await.expect("a new database");
    let _ = connection.close().await;
    let (server, _) = base.rsplit_once('/').expect("DATABASE_URL names a database");
    (format!("{server}/{name}"), name)
}
