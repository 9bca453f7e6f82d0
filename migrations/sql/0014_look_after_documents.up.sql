-- What surrounds a document: who is told that it is ready, and how it goes when its user has deleted it.
create table celeriac.recipients (
    user_id         bigint primary key,
    email           text not null check (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' and octet_length(email) <= 320),
    name            text not null default '' check (octet_length(name) <= 200),
    language        text not null default 'en' check (language ~ '^[a-z]{2}$'),
    document_ready  boolean not null default true
);
comment on table celeriac.recipients is 'Who may be written to, kept by the web app. A user without a row gets no mail.';
comment on column celeriac.recipients.language is 'ISO 639-1; where a mail is not written in it, English is sent.';
comment on column celeriac.recipients.document_ready is 'Whether the user wants to be told when a document is ready.';

-- One row a mail, so that none is sent twice: committed before the server is given the text, settled after its answer.
create table celeriac.sent_mails (
    id          bigint generated always as identity primary key,
    kind        text not null check (kind in ('document_ready')),
    subject_id  bigint not null,
    user_id     bigint not null,
    state       text not null default 'sending' check (state in ('sending', 'sent', 'refused', 'postponed', 'unknown')),
    attempts    integer not null default 1 check (attempts >= 1),
    job_id      text not null,
    reply_code  smallint check (reply_code between 200 and 599),
    begun_at    timestamptz not null default now(),
    settled_at  timestamptz,
    unique (kind, subject_id),
    constraint settled_has_its_moment check ((settled_at is null) = (state = 'sending'))
);
create index sent_mails_by_time on celeriac.sent_mails (settled_at, state);
comment on column celeriac.sent_mails.subject_id is 'What it is about: of document_ready the document.';
comment on column celeriac.sent_mails.state is 'sending: the server is being given it. sent: the server has it. refused: for good. postponed: to be tried again. unknown: the process or the line broke before the server answered; not sent again, since twice is worse than never.';
comment on column celeriac.sent_mails.reply_code is 'The server''s last answer.';

-- A deleted document's run cannot complete it, whoever deleted it and however.
create function celeriac.fence_deleted_document() returns trigger language plpgsql as $$
begin
    new.fence := greatest(new.fence, old.fence + 1);
    return new;
end $$;
create trigger fence_deleted_document before update of deleted_at on celeriac.documents
    for each row when (old.deleted_at is null and new.deleted_at is not null) execute function celeriac.fence_deleted_document();

alter table celeriac.documents
    add column purge_begun_at    timestamptz,
    add column summary_purged_at timestamptz,
    -- From here on its file may be gone, so it cannot be taken back.
    add constraint purged_is_deleted check (purge_begun_at is null or deleted_at is not null),
    drop constraint completed_has_its_result,
    add constraint completed_has_its_result check (status <> 'completed' or
        ((ai_summary is not null or summary_purged_at is not null) and ai_model_used is not null and ai_tokens_used is not null
         and page_count is not null and text_length is not null and processing_ms is not null and completed_at is not null));
create index documents_deleted on celeriac.documents (id) where deleted_at is not null;
create index documents_by_file on celeriac.documents (file_path);
create index documents_with_analysis on celeriac.documents (completed_at) where ai_summary is not null;
comment on column celeriac.documents.deleted_at is 'Set by the web app when its user deletes it; purge_documents deletes file and row DOCUMENT_PURGE_AFTER later. Null again before that: taken back.';
comment on column celeriac.documents.purge_begun_at is 'purge_documents is deleting its file, or has; the row follows.';
comment on column celeriac.documents.summary_purged_at is 'When its analysis was deleted for its age (ANALYSIS_KEEP).';
