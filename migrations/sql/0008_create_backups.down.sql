drop table celeriac.backups;
