-- A job that died can be retried while its death is still on the way here: then the later word, that it finished, is the true one.
create or replace function celeriac.confirm(ids text[], outcomes text[], errors text[]) returns void language sql as $$
    with ended as (select * from unnest(ids, outcomes, errors) as e (id, outcome, error)),
    boxes as (update celeriac.outbox o set done_at = now(), outcome = e.outcome, error = e.error
              from ended e where o.id = e.id and (o.done_at is null or e.outcome = 'finished' and o.outcome in ('dead', 'cancelled', 'expired')))
    update celeriac.schedule_runs r set finished_at = now(), outcome = e.outcome, error = e.error
    from ended e where r.job_id = e.id and (r.finished_at is null or e.outcome = 'finished' and r.outcome in ('dead', 'cancelled', 'expired'))
$$;
