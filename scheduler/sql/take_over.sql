-- A waiting job of the outbox has taken over what a later row brought: its own row is made to say the same, so that a Redis that is lost
-- gets the newest arguments again. $1 the rows that gave way, $2 the jobs that took over, $3 the queue of each.
update celeriac.outbox holder
set job = later.job, args = later.args, expires_at = later.expires_at, request_id = later.request_id,
    run_at = case when later.unique_conflict = 'keep_last' and later.run_at > clock_timestamp() then later.run_at else holder.run_at end
from unnest($1::text[], $2::text[], $3::text[]) as taken (id, holder, queue)
join celeriac.outbox later on later.id = taken.id
where holder.id = taken.holder and holder.queue = taken.queue and holder.done_at is null
