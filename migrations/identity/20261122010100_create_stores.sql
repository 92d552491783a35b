-- Shops and branches of the company.
create table identity.store (
    id uuid primary key,
    name text not null check (char_length(name) between 1 and 200),
    name_key text not null constraint store_name_taken unique,
    time_zone text not null check (char_length(time_zone) between 1 and 64),
    active boolean not null,
    version bigint not null check (version >= 1),
    created_at timestamptz not null,
    updated_at timestamptz not null
);
