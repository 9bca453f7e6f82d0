//! `backup_database` and `verify_backup` on a real database, with the real pg_dump and pg_restore.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use celeriac_jobs::backup::{BackedUp, BackupDatabase, BackupError, Backups, VerifyBackup, VerifyError};
use celeriac_process::{Process, Settings};
use celeriac_queue::{Enqueued, State};
use celeriac_tests::{System, eventually};
use serde_json::Value;
use sqlx::{ConnectOptions, PgPool};
use tempfile::TempDir;

const RECIPIENT: &str = "age1au0y300sp9v2jglyxzlj6l7gz7kuzkazs9l7cy3gwf2lsu8gwdhq925jrc";
const IDENTITY: &str = "AGE-SECRET-KEY-155EATKAY7990PRLPNKSPC3XDL8XPE7WFEUJTP6EJG77GU43TAYESHSKKUP";
const OTHER_IDENTITY: &str = "AGE-SECRET-KEY-162Y2ARYS5ALG3P303RA9RZW5JMM4MNUXZKUX6MNPE5S2H9KFGH8QQURVGZ";

/// One database with a web app's table in it, and a folder for its backups.
struct Site {
    pool: PgPool,
    folder: TempDir,
    backups: Backups,
}

impl Site {
    async fn open(pool: PgPool) -> Self {
        let folder = TempDir::with_prefix("celeriac-backups-").unwrap();
        // A name that needs quotes, and a table of partitions.
        sqlx::raw_sql(
            r#"create schema "App Data";
               create table "App Data"."Patients" (id bigint primary key, notes text not null);
               create table public.events (day date not null, n int) partition by range (day);
               create table public.events_2026 partition of public.events for values from ('2026-01-01') to ('2027-01-01');
               insert into public.events select '2026-05-01', n from generate_series(1, 10) n;
               insert into "App Data"."Patients" select n, md5(n::text) from generate_series(1, 5000) n"#,
        )
        .execute(&pool)
        .await
        .unwrap();
        let backups = backups(&pool, folder.path(), &[]);
        Self { pool, folder, backups }
    }

    fn with(&self, settings: &[(&str, &str)]) -> Backups {
        backups(&self.pool, self.folder.path(), settings)
    }

    async fn back_up(&self, job_id: &str) -> BackedUp {
        match self.backups.back_up(job_id, false).await {
            Ok(report) => report,
            Err(error) => panic!("{error}"),
        }
    }

    /// The verification's own sentence about a backup that is not restorable.
    async fn broken(&self, backups: &Backups) -> String {
        let failed = backups.verify(None, false).await.unwrap_err();
        let VerifyError::Broken { backup_id, reason } = failed else { panic!("{failed}") };
        let noted = self.row(backup_id).await;
        assert_eq!(noted["verify_error"], reason.as_str());
        assert!(noted["verified_at"].is_null());
        assert_eq!(self.scratch_databases().await, 0);
        reason
    }

    async fn row(&self, id: i64) -> Value {
        sqlx::query_scalar("select to_jsonb(b) from celeriac.backups b where id = $1").bind(id).fetch_one(&self.pool).await.unwrap()
    }

    async fn states(&self) -> Vec<String> {
        sqlx::query_scalar("select state from celeriac.backups order by id").fetch_all(&self.pool).await.unwrap()
    }

    /// Every file below the folder, unfinished ones included.
    fn files(&self) -> Vec<PathBuf> {
        files_below(self.folder.path())
    }

    /// Those of verifications of this database.
    async fn scratch_database_names(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select datname::text from pg_database
             where starts_with(datname, 'celeriac_verify_' || (select oid from pg_database where datname = current_database()) || '_')",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    async fn scratch_databases(&self) -> usize {
        self.scratch_database_names().await.len()
    }

    async fn execute(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.pool).await.unwrap();
    }
}

fn backups(pool: &PgPool, folder: &Path, settings: &[(&str, &str)]) -> Backups {
    let mut pairs = BTreeMap::from([
        ("REDIS_URL".to_owned(), "redis://127.0.0.1/".to_owned()),
        ("DATABASE_URL".to_owned(), pool.connect_options().to_url_lossy().to_string()),
        ("BACKUP_DIR".to_owned(), folder.display().to_string()),
        ("BACKUP_RECIPIENT".to_owned(), RECIPIENT.to_owned()),
        ("BACKUP_IDENTITY".to_owned(), IDENTITY.to_owned()),
    ]);
    pairs.extend(std::env::var("PG_BIN").map(|folder| ("PG_BIN".to_owned(), folder)));
    pairs.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Backups::from_settings(&Settings::from_pairs(Process::OwnWorker, pairs).unwrap(), pool.clone()).unwrap()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// A folder with a pg_dump that writes enough for an upload in parts and then does what `then` says, and a pg_restore.
fn failing_pg_dump(then: &str) -> TempDir {
    let folder = TempDir::with_prefix("celeriac-fake-").unwrap();
    let dump =
        format!("#!/bin/sh\n[ \"$1\" = --version ] && echo 'pg_dump (PostgreSQL) 99.1' && exit\nhead -c 6000000 /dev/zero\n{then}\n");
    for (name, script) in [("pg_dump", dump.as_str()), ("pg_restore", "#!/bin/sh\nexit 1\n")] {
        let path = folder.path().join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    folder
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_backup_made_under_writes_restores_to_the_same_rows_and_is_not_readable(pool: PgPool) {
    let site = Site::open(pool).await;
    let writing = site.pool.clone();
    let writer = tokio::spawn(async move {
        for n in 10_000_i64.. {
            let insert = sqlx::query(r#"insert into "App Data"."Patients" values ($1, 'new')"#).bind(n);
            insert.execute(&writing).await.unwrap();
        }
    });
    let report = site.back_up("job-1").await;
    writer.abort();

    let row = site.row(report.backup_id.unwrap()).await;
    let written: i64 = sqlx::query_scalar(r#"select count(*) from "App Data"."Patients""#).fetch_one(&site.pool).await.unwrap();
    assert!(written > row["row_counts"]["App Data.Patients"].as_i64().unwrap(), "rows were written during the dump");
    assert_eq!(
        (&row["state"], &row["bytes"], &row["row_counts"]["public.events_2026"]),
        (&"stored".into(), &report.bytes.into(), &10.into())
    );
    assert!(row["row_counts"]["App Data.Patients"].as_i64().unwrap() >= 5000);
    let files = site.files();
    assert_eq!(files.len(), 1);
    let stored = std::fs::read(&files[0]).unwrap();
    assert_eq!(stored.len() as u64, report.bytes);
    assert!(stored.starts_with(b"age-encryption.org/v1\n-> X25519 "));
    assert!(!String::from_utf8_lossy(&stored).contains("PGDMP"), "the dump's own head is not visible");

    let proof = site.backups.verify(None, false).await.unwrap();
    assert_eq!((proof.backup_id, proof.rows), (report.backup_id.unwrap(), report.rows));
    let row = site.row(proof.backup_id).await;
    assert!(row["verified_at"].is_string() && row["verify_error"].is_null());
    assert_eq!(site.scratch_databases().await, 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn every_way_to_spoil_a_backup_has_its_own_sentence(pool: PgPool) {
    let site = Site::open(pool).await;
    site.back_up("job-1").await;
    let file = site.files().remove(0);
    let good = std::fs::read(&file).unwrap();

    std::fs::write(&file, &good[..good.len() - 1000]).unwrap();
    let cut = site.broken(&site.backups).await;
    assert_eq!(cut, format!("its file was cut short: it has {} bytes of {}", good.len() - 1000, good.len()));

    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    std::fs::write(&file, &flipped).unwrap();
    assert_eq!(site.broken(&site.backups).await, "its file was changed since it was stored: the SHA-256 digest is another one");

    std::fs::remove_file(&file).unwrap();
    assert!(site.broken(&site.backups).await.ends_with("is missing"));

    std::fs::write(&file, &good).unwrap();
    let wrong_key = site.broken(&site.with(&[("BACKUP_IDENTITY", OTHER_IDENTITY)])).await;
    assert!(wrong_key.starts_with("the backup is encrypted to another key: BACKUP_IDENTITY is not"), "{wrong_key}");

    site.execute("update celeriac.backups set row_counts = jsonb_set(row_counts, '{App Data.Patients}', '5001')").await;
    let rows = "the restored rows are not those backed up: App Data.Patients: 5001 rows when it was backed up, 5000 rows restored";
    assert_eq!(site.broken(&site.backups).await, rows);

    site.execute("update celeriac.backups set row_counts = jsonb_set(row_counts, '{App Data.Patients}', '5000')").await;
    site.backups.verify(None, false).await.unwrap();
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn damage_that_the_catalogue_agrees_with_is_found_by_decrypting(pool: PgPool) {
    let site = Site::open(pool).await;
    site.back_up("job-1").await;
    let file = site.files().remove(0);
    let mut damaged = std::fs::read(&file).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    sqlx::query("update celeriac.backups set sha256 = encode(sha256($1), 'hex')").bind(&damaged).execute(&site.pool).await.unwrap();
    let reason = site.broken(&site.backups).await;
    assert!(reason.starts_with("the backup cannot be decrypted, its contents are damaged"), "{reason}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_dry_run_changes_nothing_and_says_what_it_would_do(pool: PgPool) {
    let site = Site::open(pool).await;
    let dry = site.backups.back_up("job-1", true).await.unwrap();
    assert!(dry.server.starts_with("PostgreSQL ") && dry.pg_dump.contains("pg_dump ("), "{dry:?}");
    assert!(site.states().await.is_empty() && site.files().is_empty());
    let nothing = site.backups.verify(None, true).await.unwrap_err();
    assert!(nothing.to_string().starts_with("there is no stored backup yet"), "{nothing}");

    let id = site.back_up("job-1").await.backup_id.unwrap();
    assert_eq!(site.backups.verify(None, true).await.unwrap().backup_id, id);
    assert!(site.row(id).await["verify_ms"].is_null());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_same_job_delivered_twice_makes_one_backup(pool: PgPool) {
    let site = Site::open(pool).await;
    let (first, second) = (site.back_up("job-1").await, site.back_up("job-1").await);
    assert_eq!((first.backup_id, first.sha256), (second.backup_id, second.sha256));
    assert_eq!(site.states().await, ["stored"]);
    assert_ne!(site.back_up("job-2").await.backup_id, first.backup_id);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_pg_dump_that_fails_leaves_no_file_and_its_reason(pool: PgPool) {
    let site = Site::open(pool).await;
    let programs = failing_pg_dump("echo 'pg_dump: error: permission denied for table x' >&2; exit 1");
    let failing = site.with(&[("PG_BIN", programs.path().to_str().unwrap())]);
    let error = failing.back_up("job-1", false).await.unwrap_err();
    assert_eq!(error.to_string(), "pg_dump failed: permission denied for table x");
    assert_eq!(site.states().await, ["failed"]);
    assert!(site.files().is_empty(), "{:?}", site.files());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_a_killed_backup_left_is_swept_by_the_next(pool: PgPool) {
    let site = Site::open(pool).await;
    let programs = failing_pg_dump("exec sleep 600");
    let hanging = site.with(&[("PG_BIN", programs.path().to_str().unwrap())]);
    let run = tokio::spawn(async move { hanging.back_up("job-1", false).await });
    eventually("the upload's first part", || async { if site.files().is_empty() { Err("none") } else { Ok(()) } }).await;
    // A second run must not touch it while it is at work.
    assert!(matches!(site.backups.back_up("job-2", false).await, Err(BackupError::Busy)));
    // What a kill leaves, which the end of a task does not: a part of the file.
    let part = site.files().remove(0);
    let left = std::fs::read(&part).unwrap();
    run.abort();
    assert!(run.await.is_err());
    eventually("the end of the dropped upload's part", || async { if part.exists() { Err("still there") } else { Ok(()) } }).await;
    std::fs::write(&part, left).unwrap();
    assert_eq!(site.states().await, ["running"]);

    let report = eventually("the next backup", || async {
        match site.backups.back_up("job-2", false).await {
            Err(BackupError::Busy) => Err("busy"),
            report => Ok(report.unwrap()),
        }
    })
    .await;
    assert_eq!(report.swept.len(), 1);
    assert_eq!(site.states().await, ["failed", "stored"]);
    assert_eq!(site.files().len(), 1, "only the good one: {:?}", site.files());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn retention_deletes_what_is_past_its_time_but_never_the_last_good_one(pool: PgPool) {
    let site = Site::open(pool).await;
    let verified = site.back_up("job-1").await.backup_id.unwrap();
    site.backups.verify(None, false).await.unwrap();
    let unproven = site.back_up("job-2").await.backup_id.unwrap();
    site.execute("update celeriac.backups set keep_until = now() - interval '1 day'").await;

    let third = site.back_up("job-3").await;
    assert_eq!(third.deleted, [unproven], "the verified one is the last good one");
    site.execute("update celeriac.backups set keep_until = now() - interval '1 day'").await;
    site.backups.verify(None, false).await.unwrap();
    assert_eq!(site.backups.back_up("job-4", true).await.unwrap().deleted, [verified], "a newer one is proved now");
    assert_eq!(site.states().await, ["stored", "deleted", "stored"]);
    let fourth = site.back_up("job-4").await;
    assert_eq!(fourth.deleted, [verified]);
    assert_eq!(site.states().await, ["deleted", "deleted", "stored", "stored"]);
    assert_eq!(site.files().len(), 2);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_verification_cut_off_leaves_no_database_behind(pool: PgPool) {
    let site = Site::open(pool).await;
    site.back_up("job-1").await;
    // What a killed run leaves, for the sweep of the next.
    let oid: i64 =
        sqlx::query_scalar("select oid::bigint from pg_database where datname = current_database()").fetch_one(&site.pool).await.unwrap();
    let left = sqlx::AssertSqlSafe(format!("create database celeriac_verify_{oid}_left template template0"));
    sqlx::raw_sql(left).execute(&site.pool).await.unwrap();
    let backups = site.backups.clone();
    let run = tokio::spawn(async move { backups.verify(None, false).await });
    eventually("a scratch database of the run's own", || async {
        let names = site.scratch_database_names().await;
        if names.iter().any(|name| !name.ends_with("_left")) { Ok(()) } else { Err(names) }
    })
    .await;
    assert_eq!(site.scratch_databases().await, 1, "what was left is swept before");
    run.abort();
    assert!(run.await.is_err());
    eventually("its end with the run", || async { if site.scratch_databases().await == 0 { Ok(()) } else { Err("still there") } }).await;
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_missing_setting_is_named(pool: PgPool) {
    let site = Site::open(pool).await;
    for (name, begins) in [
        ("BACKUP_DIR", "BACKUP_DIR is not set"),
        ("BACKUP_RECIPIENT", "BACKUP_RECIPIENT is not set, and backups are never stored in the clear"),
    ] {
        let error = site.with(&[(name, "")]).back_up("job-1", false).await.unwrap_err();
        assert!(matches!(error, BackupError::NotAllowed(_)) && error.to_string().starts_with(begins), "{error}");
    }
    assert!(site.states().await.is_empty());
    site.back_up("job-1").await;
    let error = site.with(&[("BACKUP_IDENTITY", "")]).verify(None, false).await.unwrap_err();
    assert!(error.to_string().starts_with("BACKUP_IDENTITY is not set"), "{error}");
}

#[tokio::test]
async fn a_worker_killed_in_a_backup_is_followed_by_one_whose_backup_is_proved() {
    let mut system = System::start().await;
    system.set("BACKUP_RECIPIENT", RECIPIENT);
    system.set("BACKUP_IDENTITY", IDENTITY);
    let (checkpoints, store) = (system.folder().join("checkpoints"), system.folder().join("backups"));
    let steps = ["backup.dumped", "backup.written"];
    for step in steps {
        for other in steps {
            std::fs::write(checkpoints.join(format!("{other}.go")), b"").unwrap();
        }
        std::fs::remove_file(checkpoints.join(format!("{step}.go"))).unwrap();
        system.set("CELERIAC_CHECKPOINT_DIR", checkpoints.display().to_string());
        let worker = system.worker();
        system.environment.remove("CELERIAC_CHECKPOINT_DIR");
        let backup = system.client.enqueue(&BackupDatabase::default()).await.unwrap();
        let reached = checkpoints.join(format!("{step}.reached"));
        eventually(step, || async { if reached.exists() { Ok(()) } else { Err("not reached") } }).await;
        worker.kill();

        let other = system.worker();
        finished(&system, &backup).await;
        let proof = system.client.enqueue(&VerifyBackup::default()).await.unwrap();
        finished(&system, &proof).await;
        other.kill();
    }
    let states: Vec<(String, bool)> =
        sqlx::query_as("select state, verified_at is not null from celeriac.backups order by id").fetch_all(&system.pool).await.unwrap();
    let (failed, stored) = (("failed".to_owned(), false), ("stored".to_owned(), true));
    assert_eq!(states, [failed.clone(), stored.clone(), failed, stored]);
    assert_eq!(files_below(&store).len(), 2, "{:?}", files_below(&store));
    system.finish().await;
}

async fn finished(system: &System, job: &Enqueued) {
    eventually("the job's end", || async {
        let view = system.inspector().job(&job.queue, &job.id).await.map_err(|error| error.to_string())?;
        if view.state == State::Finished { Ok(()) } else { Err(format!("{:?}", view.state)) }
    })
    .await;
}
