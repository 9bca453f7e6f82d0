//! The one table of settings: what each is called, what it means, and which process needs it. README's table is made from it.

use crate::kind::Kind;

/// Who reads a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// `celeriac-worker`, with the jobs Celeriac ships.
    Worker,
    /// A worker built from the library with somebody's own jobs.
    OwnWorker,
    /// `celeriac-scheduler`
    Scheduler,
    /// `celeriac`
    Ops,
}

/// When the processes that need a setting need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    /// While that flag is true.
    On(&'static str),
    /// While that flag is false.
    Off(&'static str),
    /// While that setting is set.
    With(&'static str),
}

/// One row of the table.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub kind: Kind,
    /// What it is when unset; `None`: unset.
    pub default: Option<&'static str>,
    pub example: &'static str,
    /// Processes that do not start without it.
    pub needed_by: &'static [Process],
    pub needed_when: When,
    /// Never printed.
    pub secret: bool,
    pub meaning: &'static str,
}

use Process::{Ops, OwnWorker, Scheduler, Worker};

const fn plain(name: &'static str, kind: Kind, default: Option<&'static str>, example: &'static str, meaning: &'static str) -> Setting {
    Setting { name, kind, default, example, needed_by: &[], needed_when: When::Always, secret: false, meaning }
}

const fn needed(mut setting: Setting, by: &'static [Process]) -> Setting {
    setting.needed_by = by;
    setting
}

const fn needed_when(when: When, mut setting: Setting, by: &'static [Process]) -> Setting {
    setting.needed_by = by;
    setting.needed_when = when;
    setting
}

const fn secret(mut setting: Setting) -> Setting {
    setting.secret = true;
    setting
}

const POSTGRES: Kind = Kind::Url(&["postgres", "postgresql"]);
const HTTP: Kind = Kind::Url(&["http", "https"]);
const LIMIT: Kind = Kind::Integer { min: 1, max: 1_000_000_000 };
const COUNT: Kind = Kind::Integer { min: 1, max: 100_000 };

/// Every setting. Order is README's order.
pub static SETTINGS: &[Setting] = &[
    // The two stores.
    needed(
        secret(plain(
            "REDIS_URL",
            Kind::Redis,
            None,
            "redis://127.0.0.1:6379/0",
            "Redis (or Valkey): the work in motion. `rediss://` for TLS, certificates checked. Of a cluster, some nodes separated by commas.",
        )),
        &[Worker, OwnWorker, Scheduler, Ops],
    ),
    plain(
        "REDIS_CA_FILE",
        Kind::Path,
        None,
        "/etc/ssl/redis-ca.pem",
        "A certificate authority (PEM) to trust instead of the system's, for a private `rediss://`.",
    ),
    plain(
        "REDIS_PREFIX",
        Kind::Text,
        Some("celeriac"),
        "celeriac",
        "First part of every Redis key, so that several installations share one Redis.",
    ),
    secret(plain(
        "PAYLOAD_ENCRYPTION_KEYS",
        Kind::Keys,
        None,
        "cGF5bG9hZC1leGFtcGxlLWtleS0zMi1ieXRlcyEhISE=",
        "Keys that the arguments of jobs are encrypted with in Redis, newest first, separated by commas; the same for every process. Unset: they lie there as they are. Make one: `openssl rand -base64 32 | tr +/ -_`.",
    )),
    needed(
        secret(plain(
            "DATABASE_URL",
            POSTGRES,
            None,
            "postgres://app:secret@127.0.0.1/app",
            "PostgreSQL: the truth. `?sslmode=require` works. A worker of your own needs it only for jobs that come through the outbox.",
        )),
        &[Worker, Scheduler, Ops],
    ),
    plain("DATABASE_POOL_SIZE", Kind::Integer { min: 2, max: 500 }, Some("10"), "10", "PostgreSQL connections of one process, at most."),
    // The model.
    needed(
        secret(plain(
            "OPENAI_API_KEY",
            Kind::Text,
            None,
            "sk-…",
            "Key for OpenAI. A refused key pauses the queue `documents` with the reason.",
        )),
        &[Worker],
    ),
    plain(
        "OPENAI_BASE_URL",
        HTTP,
        Some("https://api.openai.com/v1"),
        "https://api.openai.com/v1",
        "Where the Responses API is; `celeriac openai-stub` speaks it too.",
    ),
    plain(
        "OPENAI_MODEL",
        Kind::Text,
        Some("gpt-4.1-mini"),
        "gpt-4.1-mini",
        "Model that reads documents; it must take images and answer by JSON schema.",
    ),
    plain("OPENAI_TIMEOUT", Kind::Duration, Some("120s"), "120s", "Longest wait for one whole answer. A connection has 10 s."),
    plain(
        "OPENAI_FIRST_BYTE_TIMEOUT",
        Kind::Duration,
        Some("110s"),
        "110s",
        "Longest wait until an answer begins; it begins when the model has thought and written.",
    ),
    plain(
        "OPENAI_RPM",
        LIMIT,
        None,
        "500",
        "Requests a minute that all workers together make, at most. Unset: as the provider's headers say, here and below.",
    ),
    plain("OPENAI_TPM", LIMIT, None, "200000", "Tokens a minute, of questions and answers together."),
    plain("OPENAI_IN_FLIGHT", LIMIT, None, "40", "Requests at once. Unset: no limit, here and below."),
    plain(
        "OPENAI_PRICES_FILE",
        Kind::Path,
        None,
        "/etc/celeriac/prices.toml",
        "Prices of models, in the form of `jobs/src/openai/prices.toml`, which holds while this is unset. Read when a worker starts.",
    ),
    plain(
        "OPENAI_USD_PER_DAY",
        Kind::Usd,
        None,
        "20",
        "What may be spent in a day (UTC), US dollars. Beyond it the queue is paused until the next day, or until a worker starts with another limit.",
    ),
    plain("OPENAI_USD_PER_MONTH", Kind::Usd, None, "400", "The same for a calendar month (UTC)."),
    plain("OPENAI_USER_IN_FLIGHT", LIMIT, None, "4", "Requests of one user at once."),
    plain("OPENAI_USER_USD_PER_DAY", Kind::Usd, None, "0.50", "What may be spent on one user in a day; beyond it that user's jobs wait."),
    plain("OPENAI_USER_USD_PER_MONTH", Kind::Usd, None, "5", "The same for a calendar month."),
    plain(
        "OPENAI_INPUT_TOKENS_MAX",
        Kind::Integer { min: 1_000, max: 1_000_000 },
        Some("100000"),
        "100000",
        "Longest text given to the model in one question, tokens (estimated as three bytes each); for what is longer see DOCUMENT_LONG.",
    ),
    plain(
        "OPENAI_OUTPUT_TOKENS_MAX",
        Kind::Integer { min: 500, max: 100_000 },
        Some("4000"),
        "4000",
        "Longest answer, tokens. Reasoning models spend their thoughts from it: give them more.",
    ),
    plain(
        "OPENAI_BATCH",
        Kind::OneOf(&["on", "off"]),
        Some("on"),
        "on",
        "Whether documents with a deadline may go through the Batch API, at half the price.",
    ),
    plain("OPENAI_BATCH_MARGIN", Kind::Duration, Some("30m"), "30m", "So long before its deadline a document is asked about directly."),
    // Documents.
    needed_when(
        When::Off("USE_S3"),
        plain("MEDIA_ROOT", Kind::Path, None, "/srv/app/media", "Folder under which uploads lie, as in documents/user_1/<uuid>.pdf."),
        &[Worker],
    ),
    plain(
        "USE_S3",
        Kind::Flag,
        Some("false"),
        "true",
        "Uploads lie in an S3-compatible bucket instead. These and the names below are those of Django and django-storages.",
    ),
    needed_when(When::On("USE_S3"), plain("AWS_STORAGE_BUCKET_NAME", Kind::Text, None, "app-media", "The bucket."), &[Worker]),
    plain("AWS_S3_REGION_NAME", Kind::Text, Some("us-east-1"), "eu-central-1", "Its region."),
    plain("AWS_S3_ENDPOINT_URL", HTTP, None, "https://minio.internal:9000", "Where it is, when it is not Amazon's."),
    needed_when(
        When::On("USE_S3"),
        plain("AWS_ACCESS_KEY_ID", Kind::Text, None, "AKIA…", "Key that may get and delete its objects, and list them."),
        &[Worker],
    ),
    needed_when(When::On("USE_S3"), secret(plain("AWS_SECRET_ACCESS_KEY", Kind::Text, None, "wJal…", "Its secret.")), &[Worker]),
    plain("AWS_LOCATION", Kind::Text, None, "media", "Path inside the bucket that takes the place of MEDIA_ROOT; unset: the whole bucket."),
    needed(
        secret(plain(
            "FIELD_ENCRYPTION_KEYS",
            Kind::Keys,
            None,
            "Y2VsZXJpYWMtZXhhbXBsZS1rZXktMzItYnl0ZXMhISE=",
            "Fernet keys of encrypted columns, newest first, separated by commas. Make one: `python3 -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'` or `openssl rand -base64 32 | tr +/ -_`.",
        )),
        &[Worker],
    ),
    plain(
        "DOCUMENT_BYTES_MAX",
        Kind::Integer { min: 1_000, max: 2_000_000_000 },
        Some("52428800"),
        "52428800",
        "Largest upload that is read, bytes (50 MB).",
    ),
    plain("DOCUMENT_PAGES_MAX", Kind::Integer { min: 1, max: 10_000 }, Some("100"), "100", "Most pages that are read."),
    plain(
        "DOCUMENT_PIXELS_MAX",
        Kind::Integer { min: 10_000, max: 1_000_000_000 },
        Some("100000000"),
        "100000000",
        "Largest image that is decoded, pixels.",
    ),
    plain(
        "DOCUMENT_UNPACKED_MAX",
        Kind::Integer { min: 1_000_000, max: 32_000_000_000 },
        Some("128000000"),
        "128000000",
        "Most that one stream of a PDF (a page's drawing, a font, a picture) may unpack to, bytes; to be met before DOCUMENT_CHILD_MEMORY, two thirds of that at most.",
    ),
    plain(
        "DOCUMENT_CHILD_MEMORY",
        Kind::Integer { min: 64_000_000, max: 64_000_000_000 },
        Some("256000000"),
        "256000000",
        "Address space of a process that parses one file or recognizes one page, bytes: (the container's memory - 128 MB) / jobs at once.",
    ),
    plain("DOCUMENT_CHILD_TIMEOUT", Kind::Duration, Some("60s"), "60s", "Longest time for parsing one file, and for recognizing one page."),
    plain(
        "DOCUMENT_OCR",
        Kind::OneOf(&["auto", "tesseract", "vision", "off"]),
        Some("auto"),
        "auto",
        "Who reads scanned pages: tesseract on this machine, the vision model, nobody; `auto` is tesseract where it is installed, else the model.",
    ),
    plain("DOCUMENT_OCR_LANGUAGES", Kind::Text, Some("eng"), "eng+deu", "Tesseract's names of the languages to expect, joined by `+`."),
    plain(
        "DOCUMENT_PAGES_PARALLEL",
        Kind::Integer { min: 1, max: 64 },
        Some("2"),
        "2",
        "Scanned pages of one document that are recognized at once.",
    ),
    plain(
        "DOCUMENT_PARTIAL",
        Kind::OneOf(&["keep", "refuse"]),
        Some("keep"),
        "refuse",
        "Of a document with pages that cannot be read: `keep` analyzes the others and says which are missing, `refuse` fails it.",
    ),
    plain(
        "DOCUMENT_LONG",
        Kind::OneOf(&["map_reduce", "truncate"]),
        Some("map_reduce"),
        "truncate",
        "A document too long for OPENAI_INPUT_TOKENS_MAX: `map_reduce` asks about it in parts and combines the answers, `truncate` asks about its beginning.",
    ),
    plain(
        "DOCUMENT_MEMO",
        Kind::Flag,
        Some("true"),
        "false",
        "Whether a file that was analyzed before for the same user, by the same instructions and model, is not paid for again.",
    ),
    plain(
        "DOCUMENTS_PER_MONTH",
        Kind::Integer { min: 0, max: 1_000_000 },
        None,
        "50",
        "Documents of one user that are processed in a calendar month (UTC); unset: no limit. `celeriac usage limit` sets a user's own.",
    ),
    plain("DOCUMENT_RETRY_BASE", Kind::Duration, Some("60s"), "60s", "First wait before a document is tried again; doubles each time."),
    plain(
        "DOCUMENT_PURGE_AFTER",
        Kind::Duration,
        Some("90d"),
        "90d",
        "How long a deleted document can be taken back; then purge_documents deletes file and row.",
    ),
    plain(
        "ANALYSIS_KEEP",
        Kind::Duration,
        None,
        "180d",
        "How long after its completion a document keeps its analysis; unset: as long as the document lives.",
    ),
    // Mail.
    plain(
        "EMAIL_HOST",
        Kind::Text,
        None,
        "smtp.example.org",
        "Mail server, by which users hear that a document is ready; unset: no mail. The names are Django's.",
    ),
    plain("EMAIL_PORT", Kind::Integer { min: 1, max: 65_535 }, Some("25"), "587", "Its port: 587 for STARTTLS, 465 for TLS at once."),
    plain("EMAIL_USE_TLS", Kind::Flag, Some("false"), "true", "STARTTLS; a server that does not offer it is not used."),
    plain("EMAIL_USE_SSL", Kind::Flag, Some("false"), "false", "TLS from the first byte."),
    plain("EMAIL_HOST_USER", Kind::Text, None, "app", "Name to log in by."),
    needed_when(
        When::With("EMAIL_HOST_USER"),
        secret(plain("EMAIL_HOST_PASSWORD", Kind::Text, None, "…", "Its password; never sent in the clear over a network.")),
        &[Worker],
    ),
    plain("EMAIL_TIMEOUT", Kind::Duration, Some("30s"), "30s", "Longest wait for each answer of the mail server."),
    needed_when(
        When::With("EMAIL_HOST"),
        plain("DEFAULT_FROM_EMAIL", Kind::Text, None, "App <no-reply@example.org>", "Sender of every mail."),
        &[Worker],
    ),
    needed_when(
        When::With("EMAIL_HOST"),
        plain("SITE_URL", HTTP, None, "https://app.example.org", "The web app; mails link to /documents/<id> below it."),
        &[Worker],
    ),
    // The worker.
    plain(
        "WORKER_QUEUES",
        Kind::Queues,
        Some("default,documents,mail,maintenance"),
        "default,documents,mail,maintenance",
        "Queues a worker claims from; those named first come first. With weights (`documents:3,default:1`) each gets its share.",
    ),
    plain("WORKER_CONCURRENCY", Kind::Integer { min: 1, max: 10_000 }, Some("8"), "8", "Jobs one worker runs at once."),
    plain("WORKER_LEASE", Kind::Duration, Some("10s"), "10s", "How long a worker may be silent before its jobs go to another."),
    plain("WORKER_GRACE", Kind::Duration, Some("25s"), "25s", "How long a stopping worker lets its jobs finish before it puts them back."),
    // The scheduler.
    plain(
        "SCHEDULES_FILE",
        Kind::Path,
        None,
        "schedules.toml",
        "Schedules to seed the database with; unset: the database's own are fired as they are.",
    ),
    plain("SCHEDULER_LEASE", Kind::Duration, Some("10s"), "10s", "How long the leading scheduler may be silent before another takes over."),
    plain("RELAY_SWEEP", Kind::Duration, Some("2s"), "2s", "How often the outbox is looked at when no notification came."),
    plain("AUDIT_LOG_KEEP", Kind::Duration, Some("365d"), "365d", "How long the audit log remembers who did what."),
    // Licences and renewals.
    plain("TRIAL_DAYS", Kind::Integer { min: 1, max: 366 }, Some("14"), "14", "Length of a trial."),
    plain("PAYPAL_BASE_URL", HTTP, Some("https://api-m.paypal.com"), "https://api-m.sandbox.paypal.com", "Where renewals are charged."),
    plain("PAYPAL_CLIENT_ID", Kind::Text, None, "AeB1…", "PayPal REST app; without it process_renewals only runs dry."),
    secret(plain("PAYPAL_CLIENT_SECRET", Kind::Text, None, "EP3x…", "Its secret.")),
    plain("RENEWALS_MAX", COUNT, Some("1000"), "1000", "Subscriptions one run of process_renewals charges, at most."),
    // Backups.
    plain(
        "BACKUP_DIR",
        Kind::Path,
        None,
        "/srv/backups",
        "Folder that keeps encrypted backups; without it backup_database is refused with this name.",
    ),
    plain("BACKUP_RECIPIENT", Kind::Text, None, "age1qyq…", "age public key that backups are encrypted to."),
    secret(plain("BACKUP_IDENTITY", Kind::Text, None, "AGE-SECRET-KEY-1…", "age secret key; only verify_backup needs it.")),
    plain("BACKUP_KEEP", Kind::Duration, Some("14d"), "14d", "How long backups are kept. The newest good one always is."),
    plain("PG_BIN", Kind::Path, None, "/usr/lib/postgresql/17/bin", "Folder of pg_dump and pg_restore; unset: the newest that is found."),
    // HTTP.
    plain("BIND", Kind::Address, Some("127.0.0.1:5555"), "0.0.0.0:5555", "Where `celeriac serve` listens."),
    secret(plain(
        "CONSOLE_PASSWORD",
        Kind::Text,
        None,
        "a long random text",
        "Password of the console (any user name). Needed when BIND is not loopback.",
    )),
    // Logs and errors.
    plain(
        "LOG_FORMAT",
        Kind::OneOf(&["json", "text"]),
        Some("json"),
        "text",
        "`json`: one object a line. `text`: for people in a terminal.",
    ),
    plain("LOG_LEVEL", Kind::Text, Some("info"), "info,celeriac_queue=debug", "error, warn, info, debug or trace; also per module."),
    plain("DEBUG", Kind::Flag, Some("false"), "false", "In development: Sentry is off."),
    secret(plain("SENTRY_DSN", HTTP, None, "https://key@sentry.example/1", "Where errors are reported. No personal data is sent.")),
    plain("SENTRY_ENVIRONMENT", Kind::Text, Some("production"), "staging", "Environment tag."),
    plain("SENTRY_TRACES_SAMPLE_RATE", Kind::Fraction, Some("0.1"), "0.1", "Part of the traces that is sent."),
    plain("RELEASE", Kind::Text, None, "app@2026.11.21", "Release tag; unset: this build's version."),
];

/// The table as README shows it.
pub fn markdown_table() -> String {
    let mut lines = vec!["| variable | default | example | meaning |".to_owned(), "|---|---|---|---|".to_owned()];
    for setting in SETTINGS {
        let needed = match setting.needed_when {
            When::Always => "**needed**".to_owned(),
            When::On(name) | When::With(name) => format!("with `{name}` **needed**"),
            When::Off(name) => format!("without `{name}` **needed**"),
        };
        let default = match (setting.default, setting.needed_by) {
            (Some(default), _) => format!("`{default}`"),
            (None, []) => "–".to_owned(),
            (None, [Worker]) => format!("{needed} by the worker"),
            (None, _) => needed,
        };
        lines.push(format!("| `{}` | {default} | `{}` | {} |", setting.name, setting.example, setting.meaning.replace('|', "\\|")));
    }
    lines.join("\n") + "\n"
}
