alter table celeriac.batched_questions drop column may_cost_usd;
