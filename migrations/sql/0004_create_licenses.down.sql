drop table celeriac.licenses;
