-- Numbers for orders that come without one.
create sequence orders.order_number as bigint start with 1001;

create table orders.order (
    id uuid primary key,
    source text collate "C" check (char_length(source) between 1 and 64),
    external_id text collate "C" check (char_length(external_id) between 1 and 200),
    number text not null check (char_length(number) between 1 and 100),
    -- Empty for a sale to nobody known.
    customer_id uuid references orders.customer (id),
    status text collate "C" not null,
    status_group text collate "C" not null,
    placed_at timestamptz not null,
    currency text collate "C" not null check (currency ~ '^[A-Z]{3}$'),
    gross_minor bigint not null check (gross_minor >= 0),
    adjustment_minor bigint not null,
    paid_minor bigint not null check (paid_minor >= 0),
    line_count integer not null check (line_count between 1 and 2000),
    -- Hash of what the source last said; a batch that says the same again writes nothing.
    content_hash bytea check (octet_length(content_hash) = 32),
    version bigint not null check (version >= 1),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check ((source is null) = (external_id is null)),
    constraint order_reference_once unique (source, external_id),
    constraint order_status_known foreign key (status, status_group) references orders.status (code, status_group)
);

create index order_by_moment on orders.order (placed_at desc, id desc);
create index order_by_customer on orders.order (customer_id, placed_at desc, id desc);
create index order_by_group on orders.order (status_group, placed_at desc, id desc);
create index order_by_status on orders.order (status, status_group);

-- Lines stand in the order's own sequence. What a line is (sale, free, adjustment) follows from quantity and price and
-- is not kept. Quantities are thousandths of a unit, prices millionths of the currency's major unit.
create table orders.order_line (
    order_id uuid not null references orders.order (id) on delete cascade,
    position integer not null check (position between 1 and 2000),
    id uuid not null,
    product_id uuid not null references orders.product (id),
    -- As the line gives it; empty where the product's own name holds.
    name text not null check (char_length(name) <= 500),
    quantity_milli bigint not null check (quantity_milli <> 0),
    unit_price_micro bigint not null,
    amount_minor bigint not null,
    primary key (order_id, position)
);

create index order_line_by_product on orders.order_line (product_id);

create table orders.payment (
    id uuid primary key,
    order_id uuid not null references orders.order (id) on delete cascade,
    source text collate "C" check (char_length(source) between 1 and 64),
    external_id text collate "C" check (char_length(external_id) between 1 and 200),
    method text not null check (char_length(method) <= 50),
    -- In the currency of the order.
    amount_minor bigint not null check (amount_minor > 0),
    paid_at timestamptz not null,
    -- True where the order's source gave it: a later batch replaces these, and leaves those recorded here alone.
    from_source boolean not null,
    check ((source is null) = (external_id is null)),
    constraint payment_reference_once unique (source, external_id)
);

create index payment_by_order on orders.payment (order_id);
