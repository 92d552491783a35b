-- What analytics knows of sales, told by the events of orders alone. Everything here can be thrown away and built
-- again from the feed.

create table analytics.product (
    product_id uuid primary key,
    version bigint not null check (version > 0),
    sku text not null check (char_length(sku) <= 100),
    name text not null check (char_length(name) <= 500),
    category text not null check (char_length(category) <= 200)
);

-- The latest state of every order and credit note, as far as figures need it. `month` is what the document was counted
-- under when it was written: a change takes off exactly what was put on, even if the reports' time zone has changed.
-- The three arrays are of one length: a product, thousandths of a unit, minor units.
create table analytics.document (
    document_id uuid primary key,
    kind text not null check (kind in ('order', 'credit_note')),
    version bigint not null check (version > 0),
    customer_id uuid,
    currency text not null check (char_length(currency) = 3),
    occurred_at timestamptz not null,
    month date not null check (extract(day from month) = 1),
    status text not null check (char_length(status) <= 100),
    counts boolean not null,
    amount_minor bigint not null,
    adjustment_minor bigint not null,
    product_ids uuid[] not null,
    unit_millis bigint[] not null,
    product_minors bigint[] not null,
    check (cardinality(product_ids) = cardinality(unit_millis) and cardinality(product_ids) = cardinality(product_minors))
);

-- First and last purchase of a customer.
create index document_purchase_idx on analytics.document (customer_id, currency, occurred_at)
    where counts and kind = 'order' and customer_id is not null;

-- First and last purchase of all known customers, and of nobody known.
create index document_company_purchase_idx on analytics.document (currency, (customer_id is not null), occurred_at)
    where counts and kind = 'order';

-- Rows of the tables below are sums to which each change is added: none is ever counted anew.

create table analytics.customer_figure (
    customer_id uuid not null,
    currency text not null check (char_length(currency) = 3),
    orders bigint not null,
    gross_minor bigint not null,
    refund_minor bigint not null,
    first_purchase_at timestamptz,
    last_purchase_at timestamptz,
    primary key (customer_id, currency)
);

create index customer_figure_gross_idx on analytics.customer_figure (currency, gross_minor, customer_id)
    where orders <> 0 or refund_minor <> 0;

create table analytics.customer_month (
    customer_id uuid not null,
    currency text not null check (char_length(currency) = 3),
    month date not null check (extract(day from month) = 1),
    orders bigint not null,
    gross_minor bigint not null,
    refund_minor bigint not null,
    primary key (customer_id, currency, month)
);

create table analytics.customer_product (
    customer_id uuid not null,
    currency text not null check (char_length(currency) = 3),
    product_id uuid not null,
    unit_milli bigint not null,
    amount_minor bigint not null,
    primary key (customer_id, currency, product_id)
);

-- Sums over the company are kept once for each partition of the feed and added up when read: a consumer works on one
-- partition, so that consumers of different partitions never wait for each other's row.

create table analytics.company_month (
    currency text not null check (char_length(currency) = 3),
    known boolean not null,
    month date not null check (extract(day from month) = 1),
    partition smallint not null,
    orders bigint not null,
    gross_minor bigint not null,
    refund_minor bigint not null,
    primary key (currency, known, month, partition)
);

create table analytics.company_total (
    currency text not null check (char_length(currency) = 3),
    known boolean not null,
    partition smallint not null,
    paying_customers bigint not null,
    repeat_customers bigint not null,
    adjustment_minor bigint not null,
    primary key (currency, known, partition)
);

-- The zone that months were counted in: when the configured one differs, the sums are built again.
create table analytics.report_zone (
    only_row boolean primary key check (only_row),
    zone text not null
);
