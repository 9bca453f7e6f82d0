drop table celeriac.batched_questions;
drop table celeriac.openai_batches;
alter table celeriac.paid_answers drop column batched;
update celeriac.paid_calls set state = 'failed', error = 'the batch it was in is not known any more' where state = 'batched';
alter table celeriac.paid_calls drop constraint paid_calls_state_check;
alter table celeriac.paid_calls add constraint paid_calls_state_check check (state in ('started', 'answered', 'failed'));
comment on column celeriac.paid_calls.state is 'started: sent, outcome not yet known. answered: paid and stored. failed: the provider said no (nothing was bought).';
