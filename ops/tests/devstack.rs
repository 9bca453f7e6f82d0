//! The private servers themselves, on the real programs of this machine.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use celeriac_ops::devstack::{DevstackError, Persistence, PostgresOptions, PostgresServer, RedisOptions, RedisServer, find};
use sqlx::{Connection, PgConnection};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn postgres_makes_copies_and_drops_databases() {
    let server = PostgresServer::start(PostgresOptions::default()).await.unwrap();
    server.create_database("model").await.unwrap();
    write_note(&server, "model", "first").await;

    server.create_database_from("copy \"of\" it", "model").await.unwrap();
    assert_eq!(notes(&server, "copy%20%22of%22%20it").await, ["first"]);

    // Somebody is still connected: the drop cuts them off.
    let _open = PgConnection::connect(&server.url("model")).await.unwrap();
    server.drop_database("model").await.unwrap();
    assert!(PgConnection::connect(&server.url("model")).await.is_err());
    server.drop_database("model").await.unwrap();

    let refusal = server.create_database("postgres").await.unwrap_err();
    assert!(refusal.to_string().contains("already exists"), "{refusal}");
}

#[tokio::test]
async fn postgres_keeps_commits_over_a_kill_and_a_restart() {
    let mut server = PostgresServer::start(PostgresOptions::default()).await.unwrap();
    let port = server.port();
    write_note(&server, "postgres", "before the kill").await;

    server.kill().await.unwrap();
    assert!(PgConnection::connect(&server.url("postgres")).await.is_err());
    server.restart().await.unwrap();
    assert_eq!(notes(&server, "postgres").await, ["before the kill"]);

    server.restart().await.unwrap();
    assert_eq!(notes(&server, "postgres").await, ["before the kill"]);
    assert_eq!(server.port(), port);
}

#[tokio::test]
async fn redis_keeps_what_its_append_only_file_holds_and_only_that() {
    for (persistence, after_restart) in
        [(Persistence::EveryWrite, "$4\r\nkept\r\n"), (Persistence::EverySecond, "$4\r\nkept\r\n"), (Persistence::Nothing, "$-1\r\n")]
    {
        let mut server = RedisServer::start(RedisOptions { persistence, ..RedisOptions::default() }).await.unwrap();
        assert_eq!(ask_redis(server.port(), "SET note kept"), "+OK\r\n");

        server.kill().await.unwrap();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).is_err());
        server.restart().await.unwrap();

        assert_eq!(ask_redis(server.port(), "GET note"), after_restart, "{persistence:?}");
    }
}

#[tokio::test]
async fn redis_refuses_to_evict() {
    let server = RedisServer::start(RedisOptions::default()).await.unwrap();
    let policy = ask_redis(server.port(), "CONFIG GET maxmemory-policy");
    assert!(policy.contains("noeviction"), "{policy}");
}

#[tokio::test]
async fn servers_that_start_together_do_not_share() {
    let start = || RedisServer::start(RedisOptions::default());
    let servers = tokio::try_join!(start(), start(), start(), start()).unwrap();
    for (number, server) in [&servers.0, &servers.1, &servers.2, &servers.3].iter().enumerate() {
        assert_eq!(ask_redis(server.port(), &format!("INCRBY number {number}")), format!(":{number}\r\n"));
    }
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing() {
    let postgres = PostgresServer::start(PostgresOptions::default()).await.unwrap();
    let redis = RedisServer::start(RedisOptions::default()).await.unwrap();
    let left = Leftovers {
        ports: vec![postgres.port(), redis.port()],
        folders: vec![folder_of(&postgres.log_path()), folder_of(&redis.log_path())],
    };
    assert_eq!(left.still_there().len(), 4);
    drop((postgres, redis));
    assert_eq!(left.still_there(), Vec::<String>::new());
}

#[test]
fn servers_end_when_their_process_is_killed() {
    let mut victim = Victim::start();
    let left = victim.announcement();
    assert_eq!(left.still_there().len(), 4);

    victim.0.kill().unwrap();
    victim.0.wait().unwrap();

    eventually(|| left.still_there());
}

#[test]
fn a_script_is_not_taken_for_a_server() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["postgres", "initdb", "pg_dump", "pg_restore", "redis-server"] {
        let script = folder.path().join(name);
        fs::write(&script, "#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let real = find::postgres().unwrap();
    let mut places = find::Places { path: vec![folder.path().to_owned(), real.folder().to_owned()], ..find::Places::default() };
    assert_eq!(find::postgres_in(&places).unwrap(), real);

    places.path.truncate(1);
    let missing = find::postgres_in(&places).unwrap_err().to_string();
    assert!(missing.contains("make bootstrap"), "{missing}");
    assert!(missing.contains("PG_BIN"), "{missing}");
    assert!(missing.contains("is a script"), "{missing}");
    let missing = find::redis_in(&places).unwrap_err().to_string();
    assert!(missing.contains("make bootstrap"), "{missing}");
    assert!(missing.contains("REDIS_SERVER"), "{missing}");
}

#[test]
fn a_folder_without_pg_restore_is_passed_over_and_its_links_are_followed() {
    let real = find::postgres().unwrap();
    let incomplete = tempfile::tempdir().unwrap();
    fs::copy(real.program("postgres"), incomplete.path().join("postgres")).unwrap();
    let linked = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(real.program("postgres"), linked.path().join("postgres")).unwrap();

    let places = find::Places { path: vec![incomplete.path().to_owned(), linked.path().to_owned()], ..find::Places::default() };
    assert_eq!(find::postgres_in(&places).unwrap(), real);
}

#[test]
fn a_named_installation_that_cannot_be_used_is_an_error_even_if_another_one_could() {
    let real = find::postgres().unwrap();
    let places = find::Places {
        pg_bin: Some(PathBuf::from("/nonexistent")),
        redis_server: Some(real.program("postgres")),
        path: vec![real.folder().to_owned()],
        ..find::Places::default()
    };
    let postgres = find::postgres_in(&places).unwrap_err();
    assert!(matches!(postgres, DevstackError::Unusable { .. }));
    let redis = find::redis_in(&places).unwrap_err();
    assert!(redis.to_string().contains("calls itself"), "{redis}");
}

#[test]
fn the_project_folder_is_searched_from_any_folder_below_it() {
    let real = find::postgres().unwrap();
    let project = tempfile::tempdir().unwrap();
    let below = project.path().join("ops/src");
    fs::create_dir_all(&below).unwrap();
    fs::create_dir_all(project.path().join(".dev/postgres")).unwrap();
    std::os::unix::fs::symlink(real.folder(), project.path().join(".dev/postgres/bin")).unwrap();

    let places = find::Places { project: Some(below), ..find::Places::default() };
    assert_eq!(find::postgres_in(&places).unwrap(), real);
}

async fn write_note(server: &PostgresServer, database: &str, text: &str) {
    let mut connection = PgConnection::connect(&server.url(database)).await.unwrap();
    sqlx::raw_sql("create table note (text text)").execute(&mut connection).await.unwrap();
    sqlx::query("insert into note values ($1)").bind(text).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn notes(server: &PostgresServer, database: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(&server.url(database)).await.unwrap();
    sqlx::query_scalar("select text from note").fetch_all(&mut connection).await.unwrap()
}

fn ask_redis(port: u16, command: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let without_quit = answer.strip_suffix("+OK\r\n");
    without_quit.unwrap_or(&answer).to_owned()
}

/// What servers might leave behind.
struct Leftovers {
    ports: Vec<u16>,
    folders: Vec<PathBuf>,
}

impl Leftovers {
    fn still_there(&self) -> Vec<String> {
        let answering =
            self.ports.iter().filter(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, **port)).is_ok()).map(|port| format!("port {port}"));
        let folders = self.folders.iter().filter(|folder| folder.exists());
        answering.chain(folders.map(|folder| folder.display().to_string())).collect()
    }
}

/// This test binary, started again to hold servers. Killed on drop.
struct Victim(Child);

impl Victim {
    fn start() -> Self {
        let test = env::current_exe().unwrap();
        let child = Command::new(test.ancestors().nth(2).unwrap().join("examples/private-servers"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits for the lines that name its servers.
    fn announcement(&mut self) -> Leftovers {
        let mut left = Leftovers { ports: Vec::new(), folders: Vec::new() };
        let output = BufReader::new(self.0.stdout.take().unwrap());
        for line in output.lines().map(Result::unwrap) {
            let Some(server) = line.strip_prefix("server ") else {
                continue;
            };
            let (port, folder) = server.split_once(' ').unwrap();
            left.ports.push(port.parse().unwrap());
            left.folders.push(folder_of(Path::new(folder)));
            if left.ports.len() == 2 {
                break;
            }
        }
        left
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder_of(log: &Path) -> PathBuf {
    log.parent().unwrap().to_owned()
}

/// Looks until nothing is left, and fails naming what is.
fn eventually(left: impl Fn() -> Vec<String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = left();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
