-- What is in a batch is paid for when its answers are collected, up to a day later. Until then a budget keeps the money back that they may cost.
alter table celeriac.batched_questions add column may_cost_usd numeric(12, 6) check (may_cost_usd >= 0);
comment on column celeriac.batched_questions.may_cost_usd is
    'Its estimate, rather too large. Kept back from the budgets from the moment it is put into a batch until it is settled or the batch has ended. Null for a model without a price.';
