-- Who a paid call was for, answers that are deleted on purpose, and a receipt for each answer that was paid for.
alter table celeriac.paid_calls
    add column user_id bigint,
    add column job text,
    add column answer_deleted_at timestamptz;
update celeriac.paid_calls set job = 'process_document',
    user_id = (select user_id from celeriac.documents where documents.id = paid_calls.subject_id)
where subject_kind = 'document';
alter table celeriac.paid_calls drop constraint answered_has_its_answer;
alter table celeriac.paid_calls add constraint answered_has_its_answer check (state <> 'answered' or
    ((answer is not null or answer_deleted_at is not null) and input_tokens is not null and output_tokens is not null and settled_at is not null));
comment on column celeriac.paid_calls.user_id is 'Whose work it was; null for work that is nobody''s.';
comment on column celeriac.paid_calls.job is 'Wire name of the job that made the latest call.';
comment on column celeriac.paid_calls.answer_deleted_at is 'The answer was deleted on purpose (it repeated a document''s text). Asked again, it is paid for again.';

-- A call may be paid for more than once (an answer of no use, a line that broke), on different days. Its row above holds the sums.
create table celeriac.paid_answers (
    id                   bigint generated always as identity primary key,
    -- Money that was spent stays spent, whatever becomes of the call's row.
    call_id              bigint references celeriac.paid_calls on delete set null,
    number               integer not null,
    paid_at              timestamptz not null default now(),
    job                  text,
    user_id              bigint,
    model                text not null,
    state                text not null check (state in ('answered', 'failed')),
    input_tokens         integer not null check (input_tokens >= 0),
    output_tokens        integer not null check (output_tokens >= 0),
    cost_usd             numeric(12, 6) check (cost_usd >= 0),
    provider_request_id  text,
    latency_ms           bigint check (latency_ms >= 0),
    unique (call_id, number)
);
create index paid_answers_by_time on celeriac.paid_answers (paid_at);
create index paid_answers_by_user on celeriac.paid_answers (user_id, paid_at) where user_id is not null;
insert into celeriac.paid_answers (call_id, number, paid_at, job, user_id, model, state, input_tokens, output_tokens, cost_usd,
                                   provider_request_id, latency_ms)
select id, calls, coalesce(settled_at, started_at), job, user_id, model, case state when 'answered' then 'answered' else 'failed' end,
       input_tokens, coalesce(output_tokens, 0), cost_usd, provider_request_id, latency_ms
from celeriac.paid_calls where input_tokens is not null;
comment on table celeriac.paid_answers is 'One row for each answer that was paid for. Costs and budgets are counted here.';
comment on column celeriac.paid_answers.number is 'Which call under its key it answered, from 1.';
comment on column celeriac.paid_answers.model is 'The model that was asked.';
comment on column celeriac.paid_answers.state is 'answered: of use. failed: refused, cut short or not of the form asked for.';
comment on column celeriac.paid_answers.cost_usd is 'Null for a model without a price.';
