-- How other systems name a customer. A pair of source and id belongs to one customer.
create table customers.reference (
    source      text    collate "C" not null,
    external_id text    collate "C" not null,
    customer_id uuid    not null,
    ordinal     integer not null,
    constraint reference_pkey primary key (source, external_id),
    constraint reference_customer_id_fkey foreign key (customer_id) references customers.customer (id),
    constraint reference_source_check check (source ~ '^[a-z0-9._-]{1,64}$'),
    constraint reference_external_id_check check (char_length(external_id) between 1 and 200),
    constraint reference_ordinal_check check (ordinal between 0 and 99)
);

create index reference_customer_id_idx on customers.reference (customer_id, source);
