-- What rules may ask of a customer: facts asked of customers after each of its events, figures told by analytics. A row is
-- the lock under which the customer's memberships are decided. While `facts_version` is 0 only figures are known, and
-- the customer belongs to nothing yet.
create table campaigns.customer (
    customer_id uuid primary key,
    facts_version bigint not null check (facts_version >= 0),
    figures_version bigint not null check (figures_version >= 0),
    kind text check (kind in ('person', 'company')),
    country text check (char_length(country) between 1 and 100),
    store_id uuid,
    manager_id uuid,
    registered_at timestamptz,
    has_phone boolean,
    has_email boolean,
    check (num_nulls(kind, registered_at, has_phone, has_email) = case when facts_version = 0 then 4 else 0 end)
);

-- Totals of a customer in one currency. Net and average are derived here for counting alone: what is kept row by row is
-- decided in the domain, and the two are held against each other. The average is rounded half to even.
create table campaigns.figure (
    customer_id uuid not null references campaigns.customer on delete cascade,
    currency text not null check (char_length(currency) = 3),
    orders bigint not null check (orders >= 0),
    gross_minor bigint not null,
    refund_minor bigint not null check (refund_minor >= 0),
    first_purchase_at timestamptz,
    last_purchase_at timestamptz,
    net_minor bigint not null generated always as (gross_minor - refund_minor) stored,
    average_minor bigint generated always as (
        case when orders > 0 then
            gross_minor / orders
            + sign(gross_minor::numeric)::bigint
              * case
                    when abs((gross_minor % orders)::numeric) * 2 > orders then 1
                    when abs((gross_minor % orders)::numeric) * 2 = orders then abs((gross_minor / orders) % 2)
                    else 0
                end
        end) stored,
    primary key (customer_id, currency)
);

-- What counting a rule reads by.
create index figure_gross_idx on campaigns.figure (currency, gross_minor) include (customer_id);
create index figure_orders_idx on campaigns.figure (currency, orders) include (customer_id);
create index figure_last_purchase_idx on campaigns.figure (currency, last_purchase_at) include (customer_id);

-- Customers whose facts have to be asked for. A worker that takes one puts `due_at` off for as long as it may take: who
-- dies meanwhile leaves it to the others. The row goes when facts of this version or a later one are known.
create table campaigns.customer_refresh (
    customer_id uuid primary key,
    version bigint not null check (version > 0),
    due_at timestamptz not null
);

create index customer_refresh_due_idx on campaigns.customer_refresh (due_at);
