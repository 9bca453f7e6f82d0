-- Everything of Celeriac lives in one schema of its own, so that it can share the web app's database without touching its tables.
-- The migration ledger (`celeriac._sqlx_migrations`) creates the schema before the first migration runs; this one only documents it.
create schema if not exists celeriac;
comment on schema celeriac is 'Background jobs: documents, schedules, outbox, backups. Created and changed only by `celeriac migrate`.';
