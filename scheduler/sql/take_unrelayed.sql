-- The oldest unrelayed rows, locked until the transaction ends. Rows that another relay holds are passed over; no high-water mark is
-- kept, because rows become visible in another order than they were written.
-- At most $1 rows, and of those about $2 bytes of arguments (always at least one row). The first bound goes by the stored size, which
-- is known without unpacking; the second by the size as text, so that arguments that compress well do not fill the memory either.
-- Moments are clamped to what fits into milliseconds, 'infinity' included (and `greatest` makes a moment of null, so null is kept apart); arguments above $3 bytes are not read at all.
with taken as materialized (
    select id, job, args, queue, priority, run_at, expires_at, request_id, created_at,
           key, units, unique_key, unique_scope, unique_period, unique_conflict
    from celeriac.outbox
    where relayed_at is null and done_at is null
    order by created_at
    limit $1
    for update skip locked
), stored as (
    select *, sum(pg_column_size(args)) over (order by created_at, id) - pg_column_size(args) as bytes_before from taken
), unpacked as (
    select *, args::text as body from stored where bytes_before < $2
), sized as (
    select *, octet_length(body) as body_bytes, sum(octet_length(body)) over (order by created_at, id) - octet_length(body) as text_before
    from unpacked
)
select id as "id!", job as "job!", queue, priority, request_id, body_bytes as "body_bytes!",
       case when body_bytes <= $3 then body end as body,
       case when run_at is not null then (extract(epoch from least(greatest(run_at, 'epoch'), '9999-01-01Z')) * 1000)::bigint end as run_at_ms,
       case when expires_at is not null then (extract(epoch from least(greatest(expires_at, 'epoch'), '9999-01-01Z')) * 1000)::bigint end as expires_at_ms,
       key, units, unique_key, unique_scope, unique_conflict, (extract(epoch from unique_period) * 1000)::bigint as unique_period_ms
from sized
where text_before < $2
order by created_at, id
