drop table celeriac.renewals;
drop table celeriac.subscriptions;
