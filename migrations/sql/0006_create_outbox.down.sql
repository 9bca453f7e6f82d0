drop table celeriac.relay_state;
drop function celeriac.enqueue;
drop table celeriac.outbox;
