//! The binary itself: exit codes, what goes to which stream, and `check`.

use std::process::{Command, Output};

use sqlx::PgPool;

use crate::support::{database_url, redis_url};

/// Runs it with only these variables, in an empty folder.
fn celeriac(words: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_celeriac"));
    command.args(words).env_clear().current_dir(folder.path()).envs(environment.iter().copied()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_command_line_that_makes_no_sense_is_exit_code_2() {
    for words in [
        &["enqueue"][..],
        &["nonsense"],
        &["enqueue", "greet", "--in", "soon"],
        &["migrate", "down", "0"],
        &["queue", "pause", "documents"],
    ] {
        let output = celeriac(words, &[]);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", stderr(&output));
        assert!(stdout(&output).is_empty());
    }
    assert!(stderr(&celeriac(&["enqueue", "greet", "--in", "soon"], &[])).contains("as in 10s, 5m or 1h30m"));
}

#[test]
fn missing_settings_are_told_all_at_once_with_exit_code_1() {
    let output = celeriac(&["queue", "list"], &[("BIND", "nowhere")]);
    assert_eq!(output.status.code(), Some(1));
    for name in ["REDIS_URL", "DATABASE_URL", "BIND"] {
        assert!(stderr(&output).contains(name), "{name} is missing in {}", stderr(&output));
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn json_stands_alone_on_standard_output_and_a_pipe_gets_no_colour(pool: PgPool) {
    let (database, redis) = (database_url(&pool), redis_url());
    let prefix = format!("ops-{}", uuid::Uuid::new_v4().simple());
    let environment = [("DATABASE_URL", database.as_str()), ("REDIS_URL", redis.as_str()), ("REDIS_PREFIX", prefix.as_str())];
    let output = celeriac(&["schedule", "list", "--json"], &environment);
    assert_eq!((output.status.code(), serde_json::from_str(&stdout(&output)).ok()), (Some(0), Some(serde_json::json!([]))));
    let output = celeriac(&["migrate", "status"], &environment);
    assert_eq!(output.status.code(), Some(0));
    assert!(!stdout(&output).contains('\u{1b}'));
    let output = celeriac(&["job", "show", "nobody"], &environment);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    assert!(stderr(&output).starts_with("celeriac: there is no job nobody"));
}

#[sqlx::test(migrations = false)]
async fn check_tells_every_problem_at_once_and_no_secret(pool: PgPool) {
    let database = database_url(&pool);
    let environment = [
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", "redis://user:hunter2@127.0.0.1:1/0"),
        ("FIELD_ENCRYPTION_KEYS", "hunter2"),
        ("MEDIA_ROOT", "/proc/nowhere"),
        ("WORKER_LEASE", "soon"),
    ];
    let output = celeriac(&["check"], &environment);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1));
    for told in [
        "OPENAI_API_KEY",
        "FIELD_ENCRYPTION_KEYS",
        "WORKER_LEASE",
        "Redis does not answer",
        "celeriac migrate up",
        "MEDIA_ROOT /proc/nowhere",
    ] {
        assert!(text.contains(told), "{told} is missing in:\n{text}");
    }
    assert!(!text.contains("hunter2") && !stderr(&output).contains("hunter2"), "a secret was printed:\n{text}");
    let quiet = stdout(&celeriac(&["check", "--quiet"], &environment));
    assert!(quiet.contains("problem") && !quiet.contains("PostgreSQL 1"), "{quiet}");
    let json: serde_json::Value = serde_json::from_str(&stdout(&celeriac(&["check", "--json"], &environment))).unwrap();
    assert_eq!(json["ok"], false);

    let bucket = [
        ("USE_S3", "true"),
        ("AWS_STORAGE_BUCKET_NAME", "app-media"),
        ("AWS_S3_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "celeriac"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ];
    let text = stdout(&celeriac(&["check"], &[&environment[..], &bucket[..]].concat()));
    assert!(text.contains("bucket app-media cannot be reached") && !text.contains("/proc/nowhere") && !text.contains("hunter2"), "{text}");
    let text = stdout(&celeriac(&["check"], &[&environment[..], &bucket[..2]].concat()));
    assert!(text.contains("AWS_ACCESS_KEY_ID is not set") && text.contains("AWS_SECRET_ACCESS_KEY is not set"), "{text}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn check_is_content_with_a_configuration_that_works(pool: PgPool) {
    let (database, redis) = (database_url(&pool), redis_url());
    let media = tempfile::tempdir().unwrap();
    let environment = [
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", redis.as_str()),
        ("OPENAI_API_KEY", "sk-test"),
        ("FIELD_ENCRYPTION_KEYS", "Y2VsZXJpYWMtZXhhbXBsZS1rZXktMzItYnl0ZXMhISE="),
        ("MEDIA_ROOT", media.path().to_str().unwrap()),
    ];
    let output = celeriac(&["check"], &environment);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("the schema is up to date"));
    assert_eq!(std::fs::read_dir(media.path()).unwrap().count(), 0, "the check left a file behind");
    assert!(stdout(&output).contains("the price of gpt-4.1-mini is known"));

    // Prices of the operator's own, instead of those that are compiled in.
    let file = tempfile::NamedTempFile::new().unwrap();
    let checked = |prices: &str, more: &[(&str, &str)]| {
        std::fs::write(file.path(), prices).unwrap();
        let named = [("OPENAI_PRICES_FILE", file.path().to_str().unwrap())];
        let output = celeriac(&["check"], &[&environment[..], &named[..], more].concat());
        (output.status.code(), stdout(&output))
    };
    let (code, text) = checked("[[price]]\nmodel = 'gpt-4.1'\ninput = 3\noutput = 12.5\n", &[]);
    assert!(code == Some(0) && text.contains("the price of gpt-4.1-mini is known"), "{text}");
    let other = "[[price]]\nmodel = 'other'\ninput = 3\noutput = 12.5\n";
    let (code, text) = checked(other, &[]);
    assert!(code == Some(0) && text.contains("OPENAI_MODEL=gpt-4.1-mini is not known"), "{text}");
    let (code, text) = checked(other, &[("OPENAI_USD_PER_DAY", "5")]);
    assert!(code == Some(1) && text.contains("OPENAI_USD_PER_DAY limits what is spent"), "{text}");
    let (code, text) = checked("[[price]]\nmodel = 'a'\ninput = -3\noutput = 1\n[[price]]\nmodel = 'b'\nprice = 3\n", &[]);
    assert!(code == Some(1) && text.contains("price 1 (a): input must be") && text.contains("price 2 (b): unknown field"), "{text}");
}

#[test]
fn serving_an_open_address_without_a_password_is_refused_at_start() {
    let environment = [("DATABASE_URL", "postgres://127.0.0.1:1/none"), ("REDIS_URL", "redis://127.0.0.1:1/0"), ("BIND", "0.0.0.0:0")];
    let output = celeriac(&["serve"], &environment);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("CONSOLE_PASSWORD"), "{}", stderr(&output));
}
