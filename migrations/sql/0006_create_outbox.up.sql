-- Transactional enqueue: a row written in the web app's own transaction, relayed to Redis by the scheduler with the row's id as job id.
create table celeriac.outbox (
    id              text primary key check (id ~ '^[!-~]{1,200}$'),
    job             text not null check (job ~ '^[a-z][a-z0-9_.]{0,99}$'),
    args            jsonb not null,
    queue           text check (queue ~ '^[a-z][a-z0-9_-]{0,62}$'),
    priority        smallint check (priority between 0 and 9),
    run_at          timestamptz,
    expires_at      timestamptz,
    origin          text not null default 'sql',
    request_id      text,
    created_at      timestamptz not null default now(),
    relayed_at      timestamptz,
    relayed_to      text,
    done_at         timestamptz,
    outcome         text check (outcome in ('finished', 'dead', 'cancelled', 'expired')),
    error           text,
    constraint done_has_its_outcome check ((done_at is null) = (outcome is null))
);
create index outbox_unrelayed on celeriac.outbox (created_at) where relayed_at is null and done_at is null;
create index outbox_unconfirmed on celeriac.outbox (relayed_at) where relayed_at is not null and done_at is null;
create index outbox_done on celeriac.outbox (done_at) where done_at is not null;
comment on column celeriac.outbox.queue is 'Null: the queue that the job''s own policy names.';
comment on column celeriac.outbox.relayed_to is 'run_id of the Redis it was given to: another run_id means that Redis may have forgotten it.';
comment on column celeriac.outbox.done_at is 'Set by the worker before it acknowledges the job to Redis.';

create function celeriac.enqueue(
    job text, args jsonb default '{}', queue text default null, priority integer default null,
    run_at timestamptz default null, id text default null, expires_at timestamptz default null,
    origin text default 'sql', request_id text default null
) returns text language plpgsql as $$
declare
    row_id text := coalesce(enqueue.id, gen_random_uuid()::text);
begin
    if enqueue.job is null or enqueue.job !~ '^[a-z][a-z0-9_.]{0,99}$' then
        raise exception 'celeriac.enqueue: "%" is not a job name', enqueue.job
            using hint = 'A job name is snake_case, as in process_document.', errcode = 'invalid_parameter_value';
    end if;
    if enqueue.args is null or jsonb_typeof(enqueue.args) <> 'object' then
        raise exception 'celeriac.enqueue: the arguments of % are not a JSON object', enqueue.job
            using hint = 'Pass an object, as in ''{"document_id": 1}''.', errcode = 'invalid_parameter_value';
    end if;
    if octet_length(enqueue.args::text) > 1000000 then
        raise exception 'celeriac.enqueue: the arguments of % are % bytes, more than 1000000', enqueue.job, octet_length(enqueue.args::text)
            using hint = 'Store the data in a table and pass its id.', errcode = 'program_limit_exceeded';
    end if;
    insert into celeriac.outbox (id, job, args, queue, priority, run_at, expires_at, origin, request_id)
    values (row_id, enqueue.job, enqueue.args, enqueue.queue, enqueue.priority::smallint, enqueue.run_at, enqueue.expires_at,
            enqueue.origin, enqueue.request_id)
    on conflict on constraint outbox_pkey do nothing;
    perform pg_notify('celeriac_outbox', '');
    return row_id;
end $$;
comment on function celeriac.enqueue is 'Enqueues a job when (and only when) the calling transaction commits. Returns the job''s id. The same id a second time does nothing.';

-- What the relay knows of the Redis it feeds.
create table celeriac.relay_state (
    singleton     boolean primary key default true check (singleton),
    redis_run_id  text
);
insert into celeriac.relay_state default values;
