-- The catalogue. A SKU means something within its source only; both are compared byte by byte.
create table orders.product (
    id uuid primary key,
    source text collate "C" not null check (char_length(source) between 1 and 64),
    sku text collate "C" not null check (char_length(sku) between 1 and 100),
    name text not null check (char_length(name) <= 500),
    category text not null check (char_length(category) <= 200),
    -- What the list is sorted by: the name, or the SKU where there is none, folded.
    sort_key text collate "C" not null check (char_length(sort_key) <= 200),
    -- Name, SKU and category, folded (case, accents, script): what a search looks into.
    search_text text collate "C" not null check (char_length(search_text) <= 4000),
    version bigint not null check (version >= 1),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint product_sku_once unique (source, sku)
);

create index product_by_name on orders.product (sort_key, id);
create index product_search on orders.product using gin (search_text public.gin_trgm_ops);
