drop table celeriac.denied_conditions;
drop table celeriac.denial_letters;
drop table celeriac.usage_limits;
drop index celeriac.documents_by_content;
alter table celeriac.documents
    drop column content_sha256,
    drop column prompt_version,
    drop column model_asked,
    drop column strategy,
    drop column pages_missing,
    drop column stage_ms,
    drop column counted_month;
drop table celeriac.document_pages;
comment on column celeriac.documents.text_length is 'Characters of native text. The text itself is never stored.';
comment on column celeriac.documents.ocr_confidence is 'Mean confidence in percent of pages read by OCR; null where the vision model read them or none needed it.';
comment on table celeriac.usage_counters is 'Use per user and calendar month (UTC), raised in the transaction that completes a document.';
