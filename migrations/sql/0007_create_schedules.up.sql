create table celeriac.schedules (
    name            text primary key check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    cron            text check (cron <> ''),
    every_seconds   integer check (every_seconds >= 1),
    time_zone       text not null default 'UTC',
    job             text not null check (job ~ '^[a-z][a-z0-9_.]{0,99}$'),
    args            jsonb not null default '{}' check (jsonb_typeof(args) = 'object'),
    queue           text,
    priority        smallint check (priority between 0 and 9),
    enabled         boolean not null default true,
    catch_up        text not null default 'once' check (catch_up in ('skip', 'once', 'all')),
    overlap         text not null default 'allow' check (overlap in ('allow', 'skip')),
    expires_seconds integer check (expires_seconds >= 1),
    source          text not null default 'file' check (source in ('file', 'person')),
    next_at         timestamptz,
    changed_at      timestamptz not null default now(),
    constraint cron_or_interval check ((cron is null) <> (every_seconds is null))
);
comment on column celeriac.schedules.cron is 'Five fields, Vixie meaning: 0 and 7 are Sunday, day-of-month OR day-of-week. Evaluated in time_zone.';
comment on column celeriac.schedules.catch_up is 'Occurrences missed while no scheduler ran: skip, run once (the newest), or all of them (within a bound).';
comment on column celeriac.schedules.overlap is 'skip: an occurrence is not fired while the run before it is unfinished.';
comment on column celeriac.schedules.source is 'file: kept equal to schedules.toml. person: edited here; schedules.toml no longer changes it.';
comment on column celeriac.schedules.next_at is 'The next occurrence to fire; null until a scheduler has computed it.';

create table celeriac.schedule_runs (
    id           bigint generated always as identity primary key,
    schedule     text not null references celeriac.schedules (name) on delete cascade,
    instant      timestamptz not null,
    reason       text not null check (reason in ('due', 'catch_up', 'by_hand', 'skipped_overlap')),
    job_id       text,
    fired_at     timestamptz not null default now(),
    finished_at  timestamptz,
    outcome      text check (outcome in ('finished', 'dead', 'cancelled', 'expired')),
    error        text,
    -- Two schedulers, or one that crashed half way, cannot fire an occurrence twice.
    unique (schedule, instant)
);
create index schedule_runs_by_job on celeriac.schedule_runs (job_id) where finished_at is null;
create index schedule_runs_recent on celeriac.schedule_runs (schedule, instant desc);

-- One leader at a time fires schedules. Correctness does not rest on it (the unique key above does); it saves work.
create table celeriac.leases (
    name        text primary key,
    holder      text not null,
    expires_at  timestamptz not null
);

-- A firing: the run's row and its outbox row, in the caller's transaction. False when that instant was fired before.
create function celeriac.fire(schedule_name text, at_instant timestamptz, why text) returns boolean language plpgsql as $$
declare
    s celeriac.schedules;
    new_job_id text := schedule_name || '@' || to_char(at_instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
begin
    select * into s from celeriac.schedules where name = schedule_name;
    if not found then
        raise exception 'celeriac.fire: there is no schedule "%"', schedule_name
            using hint = 'celeriac schedule list shows them all.', errcode = 'no_data_found';
    end if;
    insert into celeriac.schedule_runs (schedule, instant, reason, job_id)
    values (schedule_name, at_instant, why, new_job_id) on conflict (schedule, instant) do nothing;
    if not found then
        return false;
    end if;
    perform celeriac.enqueue(s.job, s.args, s.queue, s.priority, null, new_job_id,
        at_instant + make_interval(secs => s.expires_seconds), 'schedule');
    return true;
end $$;

-- A worker's confirmation that jobs of the outbox have ended, before it acknowledges them to Redis.
create function celeriac.confirm(ids text[], outcomes text[], errors text[]) returns void language sql as $$
    with ended as (select * from unnest(ids, outcomes, errors) as e (id, outcome, error)),
    boxes as (update celeriac.outbox o set done_at = now(), outcome = e.outcome, error = e.error
              from ended e where o.id = e.id and o.done_at is null)
    update celeriac.schedule_runs r set finished_at = now(), outcome = e.outcome, error = e.error
    from ended e where r.job_id = e.id and r.finished_at is null
$$;
