-- What happened with customers. An entry belongs to the version of the record at which it happened. Entries of an order
-- of nobody known are kept too: they show as soon as the order gets a customer.
create table analytics.timeline_entry (
    subject_id uuid not null,
    subject_version bigint not null check (subject_version > 0),
    source text not null check (source in ('customers', 'orders')),
    event_id uuid not null,
    customer_id uuid,
    kind smallint not null check (kind > 0),
    -- Where the entry stands in the timeline: the date of the order or credit note for the entry that tells of its making,
    -- else `event_at`.
    occurred_at timestamptz not null,
    event_at timestamptz not null,
    amount_minor bigint,
    currency text check (char_length(currency) = 3),
    actor_kind smallint not null,
    actor_id text not null check (char_length(actor_id) <= 200),
    origin smallint not null,
    changed_fields text[] not null,
    status text not null check (char_length(status) <= 100),
    primary key (subject_id, subject_version),
    check ((amount_minor is null) = (currency is null))
);

create index timeline_entry_customer_idx on analytics.timeline_entry (customer_id, kind, occurred_at, event_id)
    where customer_id is not null;
