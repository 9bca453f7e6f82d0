drop table celeriac.audit_log;
drop table celeriac.api_keys;
