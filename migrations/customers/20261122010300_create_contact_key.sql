-- How many customers have a contact point. The row is what serialises two writers that give the same phone or e-mail
-- to two customers at once, so that the count, and with it the duplicate mark, is always right.
create table customers.contact_key (
    kind      text    collate "C" not null,
    key       text    collate "C" not null,
    customers integer not null,
    constraint contact_key_pkey primary key (kind, key),
    constraint contact_key_customers_check check (customers >= 0)
);

-- The duplicates alone: few among many.
create index contact_key_shared_idx on customers.contact_key (kind, key) where customers > 1;
