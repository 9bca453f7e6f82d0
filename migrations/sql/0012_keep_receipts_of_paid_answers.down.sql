drop table celeriac.paid_answers;
-- A call whose answer was deleted is, without that column, one that has to be made again.
update celeriac.paid_calls set state = 'failed' where state = 'answered' and answer is null;
alter table celeriac.paid_calls drop constraint answered_has_its_answer;
alter table celeriac.paid_calls add constraint answered_has_its_answer check (state <> 'answered' or
    (answer is not null and input_tokens is not null and output_tokens is not null and settled_at is not null));
alter table celeriac.paid_calls drop column answer_deleted_at, drop column job, drop column user_id;
