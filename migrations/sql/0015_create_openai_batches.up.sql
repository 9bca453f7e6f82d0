-- Questions that have time go to the model in batches, at half the price. The ledger says so; what they ask is kept, encrypted, only until
-- it is handed over.
alter table celeriac.paid_calls drop constraint paid_calls_state_check;
alter table celeriac.paid_calls add constraint paid_calls_state_check check (state in ('started', 'answered', 'failed', 'batched'));
comment on column celeriac.paid_calls.state is
    'started: sent, outcome not yet known. answered: paid and stored. failed: the provider said no (nothing was bought). batched: waits in batched_questions.';
alter table celeriac.paid_answers add column batched boolean not null default false;
comment on column celeriac.paid_answers.batched is 'It came with a batch, at half the price.';

create table celeriac.openai_batches (
    id               bigint generated always as identity primary key,
    token            uuid not null unique default gen_random_uuid(),
    model            text not null,
    state            text not null default 'gathered' check (state in ('gathered', 'running', 'ended', 'cleaned')),
    lines            integer not null check (lines >= 0),
    attempts         integer not null default 0 check (attempts >= 0),
    input_file_id    text,
    provider_id      text,
    provider_status  text,
    output_file_id   text,
    error_file_id    text,
    cancel_asked     boolean not null default false,
    answered         integer not null default 0 check (answered >= 0),
    failed           integer not null default 0 check (failed >= 0),
    error            text,
    created_at       timestamptz not null default now(),
    sent_at          timestamptz,
    polled_at        timestamptz,
    ended_at         timestamptz,
    cleaned_at       timestamptz,
    constraint running_is_known_to_the_provider check (state <> 'running' or provider_id is not null)
);
create index openai_batches_unfinished on celeriac.openai_batches (id) where state <> 'cleaned';
comment on column celeriac.openai_batches.token is 'In the name of its file and in its metadata at the provider: what was made there and not noted here is found by it.';
comment on column celeriac.openai_batches.state is
    'gathered: not known to have been created at the provider. running: created there. ended: all its questions are settled. cleaned: nothing of it is left there.';
comment on column celeriac.openai_batches.attempts is 'How many times somebody began to create it at the provider.';

create table celeriac.batched_questions (
    id               bigint generated always as identity primary key,
    call_id          bigint not null references celeriac.paid_calls on delete cascade,
    number           integer not null,
    batch_id         bigint references celeriac.openai_batches,
    state            text not null default 'waiting' check (state in ('waiting', 'sent', 'answered', 'failed', 'withdrawn')),
    model            text not null,
    request_hash     text not null,
    request          text,
    request_bytes    integer not null check (request_bytes > 0),
    ask_directly_at  timestamptz not null,
    queue            text not null,
    job_id           text not null,
    error            text,
    created_at       timestamptz not null default now(),
    settled_at       timestamptz,
    unique (call_id, number),
    constraint waiting_has_its_request check (state <> 'waiting' or request is not null),
    constraint settled_keeps_no_request check (state in ('waiting', 'sent') or (request is null and settled_at is not null)),
    constraint sent_has_its_batch check (state <> 'sent' or batch_id is not null)
);
create index batched_questions_waiting on celeriac.batched_questions (model, id) where state = 'waiting';
create index batched_questions_of_batch on celeriac.batched_questions (batch_id, id);
comment on column celeriac.batched_questions.number is 'Which call under its ledger key it is.';
comment on column celeriac.batched_questions.state is
    'waiting: for a batch. sent: in one. answered: its answer is in the ledger. failed: it is asked directly. withdrawn: its time came near; an answer that comes late is still counted.';
comment on column celeriac.batched_questions.request is 'What is asked, encrypted like documents.ai_summary; gone once the batch is created.';
comment on column celeriac.batched_questions.ask_directly_at is 'Without an answer by then the question is withdrawn and asked directly.';
