alter table celeriac.document_pages drop column given_up;
