create or replace function celeriac.confirm(ids text[], outcomes text[], errors text[]) returns void language sql as $$
    with ended as (select * from unnest(ids, outcomes, errors) as e (id, outcome, error)),
    boxes as (update celeriac.outbox o set done_at = now(), outcome = e.outcome, error = e.error
              from ended e where o.id = e.id and o.done_at is null)
    update celeriac.schedule_runs r set finished_at = now(), outcome = e.outcome, error = e.error
    from ended e where r.job_id = e.id and r.finished_at is null
$$;
