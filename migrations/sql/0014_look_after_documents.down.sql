-- The schema before knows no completed document without its analysis.
delete from celeriac.documents where summary_purged_at is not null;
drop index celeriac.documents_with_analysis, celeriac.documents_by_file, celeriac.documents_deleted;
alter table celeriac.documents
    drop constraint completed_has_its_result,
    drop constraint purged_is_deleted,
    drop column summary_purged_at,
    drop column purge_begun_at,
    add constraint completed_has_its_result check (status <> 'completed' or
        (ai_summary is not null and ai_model_used is not null and ai_tokens_used is not null
         and page_count is not null and text_length is not null and processing_ms is not null and completed_at is not null));
drop trigger fence_deleted_document on celeriac.documents;
drop function celeriac.fence_deleted_document();
drop table celeriac.sent_mails;
drop table celeriac.recipients;
