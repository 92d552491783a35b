-- A customer as of now. What it was before is in the journal.
create table customers.customer (
    id            uuid        not null,
    kind          text        not null,
    display_name  text        not null,
    country       text        collate "C" not null,
    manager_id    uuid,
    store_id      uuid,
    registered_at timestamptz not null,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    version       bigint      not null,
    -- Derived from the rest by the service, for lists: the name as it sorts, all searchable text folded to one
    -- spelling, and whether there is a phone or an e-mail.
    sort_name     text        collate "C" not null,
    search_text   text        not null,
    phone_count   integer     not null,
    has_phone     boolean     not null,
    has_email     boolean     not null,
    constraint customer_pkey primary key (id),
    constraint customer_kind_check check (kind in ('person', 'company')),
    constraint customer_display_name_check check (char_length(display_name) <= 300),
    constraint customer_country_check check (char_length(country) <= 100),
    constraint customer_version_check check (version >= 1),
    constraint customer_phone_count_check check (phone_count between 0 and 500 and has_phone = (phone_count > 0))
);

-- One index for each order a list may have; the id breaks ties.
create index customer_created_at_idx on customers.customer (created_at, id);
create index customer_updated_at_idx on customers.customer (updated_at, id);
create index customer_registered_at_idx on customers.customer (registered_at, id);
create index customer_sort_name_idx on customers.customer (sort_name, id);
create index customer_country_idx on customers.customer (country, id);

-- One index for each filter by value, in the default order.
create index customer_kind_created_at_idx on customers.customer (kind, created_at, id);
create index customer_country_created_at_idx on customers.customer (country, created_at, id);
create index customer_manager_id_created_at_idx on customers.customer (manager_id, created_at, id);
create index customer_store_id_created_at_idx on customers.customer (store_id, created_at, id);
create index customer_has_phone_created_at_idx on customers.customer (has_phone, created_at, id);
create index customer_has_email_created_at_idx on customers.customer (has_email, created_at, id);

-- Any part of the searchable text.
create index customer_search_text_idx on customers.customer using gin (search_text public.gin_trgm_ops);
