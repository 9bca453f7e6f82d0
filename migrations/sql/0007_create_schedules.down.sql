drop function celeriac.confirm;
drop function celeriac.fire;
drop table celeriac.leases;
drop table celeriac.schedule_runs;
drop table celeriac.schedules;
