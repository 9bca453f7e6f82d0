-- Keys of the HTTP API. A key is 256 random bits, shown once; a fast hash is enough for such a key and costs no CPU per request.
create table celeriac.api_keys (
    id            bigint generated always as identity primary key,
    name          text not null unique check (name <> ''),
    prefix        text not null,
    key_sha256    text not null unique check (key_sha256 ~ '^[0-9a-f]{64}$'),
    created_at    timestamptz not null default now(),
    last_used_at  timestamptz,
    revoked_at    timestamptz
);

-- Who did what from the console, the CLI or the API.
create table celeriac.audit_log (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default now(),
    actor   text not null,
    action  text not null,
    target  text not null,
    detail  jsonb not null default '{}'
);
create index audit_log_by_time on celeriac.audit_log (at);
