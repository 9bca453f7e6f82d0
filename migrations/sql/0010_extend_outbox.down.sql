-- Rows that gave way were not enqueued: without a word for that, they count as cancelled.
drop function celeriac.give_way;
update celeriac.schedule_runs set outcome = 'cancelled' where outcome = 'duplicate';
alter table celeriac.outbox drop constraint duplicate_names_its_holder;
update celeriac.outbox set outcome = 'cancelled' where outcome = 'duplicate';

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
do $$
declare
    before regprocedure := 'celeriac.enqueue(text, jsonb, text, integer, timestamptz, text, timestamptz, text, text, text, integer, text, text, interval, text)';
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
comment on function celeriac.enqueue is 'Enqueues a job when (and only when) the calling transaction commits. Returns the job''s id. The same id a second time does nothing.';

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
        at_instant + make_interval(secs => s.expires_seconds), 'schedule');
    return true;
end $$;

drop index celeriac.outbox_duplicates;
alter table celeriac.outbox
    drop column key, drop column units, drop column unique_key, drop column unique_scope, drop column unique_period,
    drop column unique_conflict, drop column duplicate_of,
    drop constraint outbox_outcome_check,
    add constraint outbox_outcome_check check (outcome in ('finished', 'dead', 'cancelled', 'expired'));
alter table celeriac.schedules drop column key, drop column unique_key, drop column unique_scope, drop column unique_conflict;
alter table celeriac.schedule_runs
    drop constraint schedule_runs_outcome_check,
    add constraint schedule_runs_outcome_check check (outcome in ('finished', 'dead', 'cancelled', 'expired'));
