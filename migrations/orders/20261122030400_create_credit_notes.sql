-- Money given back, on its own date. All quantities and amounts are above zero.
create table orders.credit_note (
    id uuid primary key,
    source text collate "C" not null check (char_length(source) between 1 and 64),
    external_id text collate "C" not null check (char_length(external_id) between 1 and 200),
    number text not null check (char_length(number) between 1 and 100),
    customer_id uuid references orders.customer (id),
    -- Empty for a note that takes back no order in particular.
    order_id uuid references orders.order (id),
    issued_at timestamptz not null,
    currency text collate "C" not null check (currency ~ '^[A-Z]{3}$'),
    total_minor bigint not null check (total_minor > 0),
    line_count integer not null check (line_count between 1 and 2000),
    content_hash bytea not null check (octet_length(content_hash) = 32),
    version bigint not null check (version >= 1),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint credit_note_reference_once unique (source, external_id)
);

create index credit_note_by_moment on orders.credit_note (issued_at desc, id desc);
create index credit_note_by_customer on orders.credit_note (customer_id, issued_at desc, id desc);
create index credit_note_by_order on orders.credit_note (order_id);

create table orders.credit_note_line (
    credit_note_id uuid not null references orders.credit_note (id) on delete cascade,
    position integer not null check (position between 1 and 2000),
    id uuid not null,
    product_id uuid not null references orders.product (id),
    name text not null check (char_length(name) <= 500),
    quantity_milli bigint not null check (quantity_milli > 0),
    unit_price_micro bigint not null check (unit_price_micro > 0),
    amount_minor bigint not null check (amount_minor >= 0),
    primary key (credit_note_id, position)
);

create index credit_note_line_by_product on orders.credit_note_line (product_id);
