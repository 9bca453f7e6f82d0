-- The paid-call ledger: a committed row before money is spent, its answer committed right after, so that a retry does not pay again.
create table celeriac.paid_calls (
    id                   bigint generated always as identity primary key,
    subject_kind         text not null,
    subject_id           bigint not null,
    step                 text not null,
    page                 integer not null default 0,
    prompt_version       text not null,
    model                text not null,
    request_hash         text not null,
    state                text not null default 'started' check (state in ('started', 'answered', 'failed')),
    calls                integer not null default 1 check (calls >= 1),
    unknown_outcomes     integer not null default 0 check (unknown_outcomes >= 0),
    unusable_answers     integer not null default 0 check (unusable_answers >= 0),
    job_id               text not null,
    answer               text,
    answered_model       text,
    input_tokens         integer check (input_tokens >= 0),
    output_tokens        integer check (output_tokens >= 0),
    cost_usd             numeric(12, 6) check (cost_usd >= 0),
    provider_request_id  text,
    latency_ms           bigint check (latency_ms >= 0),
    error                text,
    started_at           timestamptz not null default now(),
    settled_at           timestamptz,
    -- The same subject, step, page, prompt and model is one call, however often its job is enqueued.
    unique (subject_kind, subject_id, step, page, prompt_version, model),
    constraint answered_has_its_answer check (state <> 'answered' or
        (answer is not null and input_tokens is not null and output_tokens is not null and settled_at is not null))
);
create index paid_calls_by_time on celeriac.paid_calls (started_at);
create index paid_calls_unsettled on celeriac.paid_calls (started_at) where state = 'started';
comment on column celeriac.paid_calls.state is 'started: sent, outcome not yet known. answered: paid and stored. failed: the provider said no (nothing was bought).';
comment on column celeriac.paid_calls.calls is 'How many times the provider was called under this key.';
comment on column celeriac.paid_calls.unknown_outcomes is 'How many times a crash left it started. Once is repeated; the second time a person decides.';
comment on column celeriac.paid_calls.unusable_answers is 'How many answers were paid for and could not be used (refused, cut short, not of the asked form).';
comment on column celeriac.paid_calls.input_tokens is 'Sum over the calls whose usage is known, like output_tokens and cost_usd.';
comment on column celeriac.paid_calls.answer is 'The provider''s answer, encrypted like documents.ai_summary.';
