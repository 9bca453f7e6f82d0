drop table celeriac.paid_calls;
