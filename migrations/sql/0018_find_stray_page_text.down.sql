drop index celeriac.paid_calls_with_page_text;
