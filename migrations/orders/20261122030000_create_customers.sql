-- Which customers exist, learned from their events or by asking: only ids, so that an order cannot name nobody.
create table orders.customer (
    id uuid primary key,
    known_since timestamptz not null
);
