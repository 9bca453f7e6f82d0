-- A page that a job has given up stays given up for the job's later runs: it is not asked about, nor paid for, again, and what is asked about
-- the document stays the same question.
alter table celeriac.document_pages add column given_up boolean not null default false,
    add constraint given_up_has_failed check (not given_up or source = 'failed');
comment on column celeriac.document_pages.given_up is 'The job that is under way goes on without it; false again as soon as the job has ended.';
