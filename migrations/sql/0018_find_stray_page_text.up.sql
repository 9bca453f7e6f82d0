-- Recognized text that outlived its job is looked for every night.
create index paid_calls_with_page_text on celeriac.paid_calls (settled_at) where step = 'read_page' and answer is not null;
