create table celeriac.backups (
    id              bigint generated always as identity primary key,
    kind            text not null default 'database' check (kind in ('database')),
    job_id          text not null,
    object_key      text not null unique,
    state           text not null default 'running' check (state in ('running', 'stored', 'failed', 'deleted')),
    bytes           bigint check (bytes >= 0),
    sha256          text check (sha256 ~ '^[0-9a-f]{64}$'),
    server_version  text,
    row_counts      jsonb,
    error           text,
    started_at      timestamptz not null default now(),
    stored_at       timestamptz,
    keep_until      timestamptz,
    verified_at     timestamptz,
    verify_ms       bigint check (verify_ms >= 0),
    verify_error    text,
    deleted_at      timestamptz,
    constraint stored_has_its_proof check (state <> 'stored' or
        (bytes is not null and sha256 is not null and row_counts is not null and stored_at is not null and keep_until is not null))
);
create index backups_recent on celeriac.backups (started_at desc);
comment on column celeriac.backups.sha256 is 'Of the encrypted object, as it lies in storage.';
comment on column celeriac.backups.row_counts is 'Rows per table in the dump''s own snapshot: {"schema.table": n}. verify_backup compares the restored database with it.';
comment on column celeriac.backups.verified_at is 'When a restore into a scratch database last agreed with row_counts.';
