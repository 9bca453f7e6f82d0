-- The schema itself stays: it holds the migration ledger.
comment on schema celeriac is null;
