-- Documents are read page by page; what was read once is not read again by the next attempt.

-- One row a page of the run under way, and of the last one that ended. Its text lives only as long as the job that may need it again.
create table celeriac.document_pages (
    subject_kind  text not null check (subject_kind in ('document', 'denial_letter')),
    document_id   bigint not null references celeriac.documents (id) on delete cascade,
    page          integer not null check (page >= 1),
    file_version  text not null,
    source        text not null check (source in ('native', 'tesseract', 'vision', 'blank', 'left_out', 'failed')),
    text          text,
    characters    integer not null default 0 check (characters >= 0),
    confidence    real check (confidence between 0 and 100),
    problem       text,
    read_at       timestamptz not null default now(),
    primary key (subject_kind, document_id, page),
    constraint failed_has_its_problem check (source <> 'failed' or problem is not null),
    -- Only what had to be recognized is worth keeping for a retry.
    constraint text_of_recognized_pages_only check (text is null or source in ('tesseract', 'vision'))
);
create index document_pages_with_text on celeriac.document_pages (read_at) where text is not null;
comment on table celeriac.document_pages is 'How each page of a document was read. Kept after the job, without the text.';
comment on column celeriac.document_pages.subject_kind is 'Which job read it: document = process_document, denial_letter = decode_denial_letter.';
comment on column celeriac.document_pages.file_version is 'The stored file it was read from; a replaced file is read anew.';
comment on column celeriac.document_pages.source is 'native: its own text. tesseract, vision: recognized. blank, left_out, failed: no text, and why in problem.';
comment on column celeriac.document_pages.text is 'Recognized text, encrypted like documents.ai_summary; null as soon as no retry can need it.';
comment on column celeriac.document_pages.confidence is 'Percent, by tesseract; null where it is not known.';

alter table celeriac.documents
    add column content_sha256  text,
    add column prompt_version  text,
    add column model_asked     text,
    add column strategy        text check (strategy in ('whole', 'map_reduce', 'truncated', 'memo')),
    add column pages_missing   integer not null default 0 check (pages_missing >= 0),
    add column stage_ms        jsonb,
    add column counted_month   date check (extract(day from counted_month) = 1);
create index documents_by_content on celeriac.documents (user_id, content_sha256) where status = 'completed';
comment on column celeriac.documents.content_sha256 is 'Digest of the file that was analyzed, in hexadecimal: the same file of the same user need not be paid for again.';
comment on column celeriac.documents.prompt_version is 'Of the instructions it was analyzed by, and model_asked the model: a dated one may have answered.';
comment on column celeriac.documents.strategy is 'whole: asked at once. map_reduce: asked in parts, then combined. truncated: only the beginning was asked. memo: taken from the same file''s earlier analysis.';
comment on column celeriac.documents.pages_missing is 'Pages that could not be read; the analysis is of the others. Which and why: document_pages.';
comment on column celeriac.documents.stage_ms is 'Milliseconds by stage of the completing run: {"opening", "reading", "recognizing", "asking"}.';
comment on column celeriac.documents.counted_month is 'The month whose usage this document counts to; null: to none.';
comment on column celeriac.documents.text_length is 'Characters of text on all pages, native and recognized. The text itself is not kept.';
comment on column celeriac.documents.ocr_confidence is 'Mean confidence in percent of the pages that tesseract read, by their length; null where it read none.';

-- A document counts from its first run on, so that two at once cannot overrun a limit; one that fails is given back.
update celeriac.documents set counted_month = date_trunc('month', completed_at at time zone 'UTC')::date where status = 'completed';
comment on table celeriac.usage_counters is
    'Use per user and calendar month (UTC): documents begun and not failed, tokens of completed ones.';

create table celeriac.usage_limits (
    user_id   bigint not null,
    kind      text not null check (kind in ('documents')),
    monthly   bigint check (monthly >= 0),
    primary key (user_id, kind)
);
comment on table celeriac.usage_limits is 'A user''s own monthly limit, in place of DOCUMENTS_PER_MONTH; null: none.';

-- What decode_denial_letter finds in a letter that refuses a claim.
create table celeriac.denial_letters (
    document_id      bigint primary key references celeriac.documents (id) on delete cascade,
    status           text not null default 'waiting' check (status in ('waiting', 'processing', 'analyzing', 'completed', 'failed')),
    error_message    text,
    details          text,
    decision_date    date,
    appeal_deadline  date,
    conditions       integer check (conditions >= 0),
    model_used       text,
    tokens_used      integer check (tokens_used >= 0),
    content_sha256   text,
    prompt_version   text,
    model_asked      text,
    strategy         text check (strategy in ('whole', 'map_reduce', 'truncated', 'memo')),
    page_count       integer check (page_count >= 0),
    pages_missing    integer not null default 0 check (pages_missing >= 0),
    processing_ms    bigint check (processing_ms >= 0),
    stage_ms         jsonb,
    fence            bigint not null default 0,
    created_at       timestamptz not null default now(),
    started_at       timestamptz,
    completed_at     timestamptz,
    constraint completed_has_its_result check (status <> 'completed' or
        (details is not null and conditions is not null and model_used is not null and tokens_used is not null
         and page_count is not null and processing_ms is not null and completed_at is not null)),
    constraint failed_has_its_reason check (status <> 'failed' or error_message is not null)
);
comment on table celeriac.denial_letters is 'One row a document that decode_denial_letter was asked to read; the job inserts it.';
comment on column celeriac.denial_letters.details is 'What concerns the whole letter: a Fernet token over JSON {sender, reference, summary, language, deadlines, truncated, pages_missing}.';
comment on column celeriac.denial_letters.appeal_deadline is 'The earliest deadline of the letter that is an exact date, for reminders.';
create index denial_letters_in_motion on celeriac.denial_letters (status, created_at) where status in ('waiting', 'processing', 'analyzing');
create index denial_letters_by_content on celeriac.denial_letters (content_sha256) where status = 'completed';
create index denial_letters_by_deadline on celeriac.denial_letters (appeal_deadline) where appeal_deadline is not null;

create table celeriac.denied_conditions (
    document_id  bigint not null references celeriac.denial_letters (document_id) on delete cascade,
    position     integer not null check (position >= 1),
    details      text not null,
    deadline     date,
    primary key (document_id, position)
);
comment on table celeriac.denied_conditions is 'Each condition or claim the letter denies, in the order of the letter.';
comment on column celeriac.denied_conditions.details is
    'A Fernet token over JSON {condition, reason, evidence_considered, evidence_missing, dates, deadline}.';
comment on column celeriac.denied_conditions.deadline is 'Until when this one can be contested, where the letter says so exactly.';
