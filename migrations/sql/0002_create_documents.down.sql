drop table celeriac.usage_counters;
drop table celeriac.consents;
drop table celeriac.documents;
