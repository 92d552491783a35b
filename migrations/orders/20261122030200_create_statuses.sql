-- The dictionary of statuses. Rules look at the group only; the codes are the company's own.
create table orders.status (
    code text collate "C" primary key check (code ~ '^[a-z0-9_]{1,50}$'),
    -- The identity of the status in the journal.
    id uuid not null unique,
    name text not null check (char_length(name) between 1 and 100),
    status_group text collate "C" not null check (status_group in ('new', 'in_progress', 'completed', 'cancelled')),
    position integer not null check (position between 0 and 9999),
    active boolean not null,
    version bigint not null check (version >= 1),
    -- Lets an order carry the group beside the code without ever disagreeing with the dictionary.
    constraint status_code_and_group unique (code, status_group)
);

insert into orders.status (code, id, name, status_group, position, active, version) values
    ('new', '019ab000-0000-7000-8000-000000000001', 'New', 'new', 0, true, 1),
    ('awaiting_payment', '019ab000-0000-7000-8000-000000000002', 'Awaiting payment', 'in_progress', 0, true, 1),
    ('assembling', '019ab000-0000-7000-8000-000000000003', 'Assembling', 'in_progress', 1, true, 1),
    ('delivering', '019ab000-0000-7000-8000-000000000004', 'Delivering', 'in_progress', 2, true, 1),
    ('completed', '019ab000-0000-7000-8000-000000000005', 'Completed', 'completed', 0, true, 1),
    ('cancelled', '019ab000-0000-7000-8000-000000000006', 'Cancelled', 'cancelled', 0, true, 1);
