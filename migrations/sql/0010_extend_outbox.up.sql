-- Keys (whose work a job is), units and unique keys for jobs of the outbox and of schedules, and the end of a row that gave way to the job
-- that has its unique key.
alter table celeriac.outbox
    add column key             text check (key ~ '^[!-~]{1,200}$'),
    add column units           integer check (units between 1 and 1000000000),
    add column unique_key      text check (octet_length(unique_key) between 1 and 500),
    add column unique_scope    text check (unique_scope in ('queued', 'running', 'period')),
    add column unique_period   interval check (unique_period > interval '0' and unique_period <= interval '366 days'),
    add column unique_conflict text check (unique_conflict in ('reject', 'replace', 'keep_last')),
    add column duplicate_of    text,
    drop constraint outbox_outcome_check,
    add constraint outbox_outcome_check check (outcome in ('finished', 'dead', 'cancelled', 'expired', 'duplicate')),
    add constraint duplicate_names_its_holder check ((outcome is not distinct from 'duplicate') = (duplicate_of is not null)),
    add constraint period_has_its_length check ((unique_scope is not distinct from 'period') = (unique_period is not null)),
    add constraint unique_has_its_scope check (unique_scope is not null or (unique_key is null and unique_conflict is null));
create index outbox_duplicates on celeriac.outbox (done_at) where outcome = 'duplicate';
comment on column celeriac.outbox.key is 'Whose work it is (a tenant, an account): for fair sharing and limits.';
comment on column celeriac.outbox.unique_scope is 'Null: the job is not unique. Without unique_key it is unique by its name and arguments.';
comment on column celeriac.outbox.duplicate_of is 'The job that had the unique key when this row came to Redis: this row was not enqueued.';

alter table celeriac.schedules
    add column key             text check (key ~ '^[!-~]{1,200}$'),
    add column unique_key      text check (octet_length(unique_key) between 1 and 500),
    add column unique_scope    text check (unique_scope in ('queued', 'running')),
    add column unique_conflict text check (unique_conflict in ('reject', 'replace', 'keep_last'));
alter table celeriac.schedule_runs
    drop constraint schedule_runs_outcome_check,
    add constraint schedule_runs_outcome_check check (outcome in ('finished', 'dead', 'cancelled', 'expired', 'duplicate'));

-- A function with more parameters is another function; beside the old one, calls would be ambiguous. Who might call that may call this.
create function celeriac.enqueue(
    job text, args jsonb default '{}', queue text default null, priority integer default null,
    run_at timestamptz default null, id text default null, expires_at timestamptz default null,
    origin text default 'sql', request_id text default null,
    key text default null, units integer default null, unique_key text default null, unique_scope text default null,
    unique_period interval default null, unique_conflict text default null
) returns text language plpgsql as $$
declare
    row_id text := coalesce(enqueue.id, gen_random_uuid()::text);
    scope text := coalesce(enqueue.unique_scope, case when enqueue.unique_period is not null then 'period' end,
                           case when coalesce(enqueue.unique_key, enqueue.unique_conflict) is not null then 'running' end);
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
    if enqueue.key !~ '^[!-~]{1,200}$' then
        raise exception 'celeriac.enqueue: "%" is not a key', left(enqueue.key, 80)
            using hint = 'A key is 1 to 200 visible ASCII characters, as in tenant-42.', errcode = 'invalid_parameter_value';
    end if;
    if enqueue.units not between 1 and 1000000000 then
        raise exception 'celeriac.enqueue: % is not a number of units', enqueue.units
            using hint = 'It is 1 to 1000000000.', errcode = 'invalid_parameter_value';
    end if;
    if scope not in ('queued', 'running', 'period') or (scope = 'period') <> (enqueue.unique_period is not null) then
        raise exception 'celeriac.enqueue: the unique scope % does not fit the period %', scope, coalesce(enqueue.unique_period::text, '(none)')
            using hint = 'Pass unique_scope ''queued'' or ''running'', or a unique_period, as in ''10 minutes''.',
                  errcode = 'invalid_parameter_value';
    end if;
    insert into celeriac.outbox (id, job, args, queue, priority, run_at, expires_at, origin, request_id,
                                 key, units, unique_key, unique_scope, unique_period, unique_conflict)
    values (row_id, enqueue.job, enqueue.args, enqueue.queue, enqueue.priority::smallint, enqueue.run_at, enqueue.expires_at,
            enqueue.origin, enqueue.request_id,
            enqueue.key, enqueue.units, enqueue.unique_key, scope, enqueue.unique_period, enqueue.unique_conflict)
    on conflict on constraint outbox_pkey do nothing;
    perform pg_notify('celeriac_outbox', '');
    return row_id;
end $$;
do $$
declare
    before regprocedure := 'celeriac.enqueue(text, jsonb, text, integer, timestamptz, text, timestamptz, text, text)';
    grants aclitem[] := (select proacl from pg_proc where oid = before);
    allowed record;
begin
    execute format('drop function %s', before);
    if grants is not null then
        revoke all on function celeriac.enqueue from public;
    end if;
    for allowed in select grantee, is_grantable from aclexplode(grants) loop
        execute format('grant execute on function celeriac.enqueue to %s%s',
            case when allowed.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(allowed.grantee)) end,
            case when allowed.is_grantable then ' with grant option' end);
    end loop;
end $$;
comment on function celeriac.enqueue is 'Enqueues a job when (and only when) the calling transaction commits. Returns the job''s id. The same id a second time does nothing; a unique key that is taken when the job comes to Redis ends its row as a duplicate.';

create or replace function celeriac.fire(schedule_name text, at_instant timestamptz, why text) returns boolean language plpgsql as $$
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
        at_instant + make_interval(secs => s.expires_seconds), 'schedule',
        key => s.key, unique_key => s.unique_key, unique_scope => s.unique_scope, unique_conflict => s.unique_conflict);
    return true;
end $$;

-- The relay's word that rows gave way to the jobs that have their unique keys.
create function celeriac.give_way(ids text[], holders text[]) returns void language sql as $$
    with gave_way as (select * from unnest(ids, holders) as g (id, holder)),
    boxes as (update celeriac.outbox o
              set done_at = now(), outcome = 'duplicate', error = 'duplicate of ' || g.holder, duplicate_of = g.holder
              from gave_way g where o.id = g.id and o.done_at is null)
    update celeriac.schedule_runs r set finished_at = now(), outcome = 'duplicate', error = 'duplicate of ' || g.holder
    from gave_way g where r.job_id = g.id and r.finished_at is null
$$;
