-- A schedule of the file becomes a row, or the row that came from the file is made equal to it. A row that a person edited is left
-- alone, and an equal row is not touched: then nothing is returned.
insert into celeriac.schedules as row (name, cron, every_seconds, time_zone, job, args, queue, priority, enabled, catch_up, overlap,
                                       expires_seconds, key, unique_key, unique_scope, unique_conflict, source)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 'file')
on conflict (name) do update set
    cron = excluded.cron, every_seconds = excluded.every_seconds, time_zone = excluded.time_zone, job = excluded.job,
    args = excluded.args, queue = excluded.queue, priority = excluded.priority, enabled = excluded.enabled,
    catch_up = excluded.catch_up, overlap = excluded.overlap, expires_seconds = excluded.expires_seconds,
    key = excluded.key, unique_key = excluded.unique_key, unique_scope = excluded.unique_scope, unique_conflict = excluded.unique_conflict,
    -- With another rhythm, or switched on again, it is counted anew from now; else an edited job keeps its next moment.
    next_at = case when (row.cron, row.every_seconds, row.time_zone, row.enabled)
                        is not distinct from (excluded.cron, excluded.every_seconds, excluded.time_zone, excluded.enabled)
                   then row.next_at end,
    changed_at = now()
where row.source = 'file'
  and (row.cron, row.every_seconds, row.time_zone, row.job, row.args, row.queue, row.priority, row.enabled, row.catch_up, row.overlap,
       row.expires_seconds, row.key, row.unique_key, row.unique_scope, row.unique_conflict)
      is distinct from
      (excluded.cron, excluded.every_seconds, excluded.time_zone, excluded.job, excluded.args, excluded.queue, excluded.priority,
       excluded.enabled, excluded.catch_up, excluded.overlap, excluded.expires_seconds, excluded.key, excluded.unique_key,
       excluded.unique_scope, excluded.unique_conflict)
returning (xmax = 0) as "added!"
