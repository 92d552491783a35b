-- Segments: groups of customers kept by a rule.
create table campaigns.segment (
    id uuid primary key,
    name text not null check (char_length(name) between 1 and 100),
    -- The name as it is compared and listed by.
    name_key text collate "und-x-icu" not null constraint segment_name_key unique,
    description text not null check (char_length(description) <= 500),
    -- Protobuf of clientele.campaigns.v1.Rule.
    rule bytea not null check (octet_length(rule) <= 65536),
    active boolean not null,
    -- Raised by every event; `revision` by what people change, and is their etag.
    version bigint not null check (version > 0),
    revision bigint not null check (revision > 0),
    created_at timestamptz not null,
    updated_at timestamptz not null
);

-- Raised with every change of a segment: who has rules of this version in memory need not read them again.
create table campaigns.rule_set (
    only_row boolean primary key check (only_row),
    version bigint not null
);

insert into campaigns.rule_set (only_row, version) values (true, 1);

-- How far the members of a segment are found after its rule changed, or removed after it was put away.
create table campaigns.build (
    segment_id uuid primary key references campaigns.segment,
    complete boolean not null,
    -- The customer up to which all have been looked at.
    after_id uuid not null,
    examined bigint not null check (examined >= 0),
    -- Absent until the first batch.
    total bigint check (total >= 0)
);

create index build_open_idx on campaigns.build (segment_id) where not complete;

-- A customer and a segment. Only pairs that are, were or by the passing of time alone may come to be together have a row.
-- `version` counts entering and leaving. `next_change_at` is when the rule's result next changes if nothing happens.
create table campaigns.membership (
    customer_id uuid not null references campaigns.customer,
    segment_id uuid not null references campaigns.segment,
    id uuid not null,
    version bigint not null check (version >= 0),
    active boolean not null,
    entered_at timestamptz check ((entered_at is null) = not active),
    next_change_at timestamptz,
    primary key (customer_id, segment_id),
    check (active or version > 0 or next_change_at is not null)
);

create index membership_member_idx on campaigns.membership (segment_id, customer_id) where active;
create index membership_due_idx on campaigns.membership (segment_id, next_change_at) where next_change_at is not null;

-- Numbers of members, kept once for each partition of customers so that consumers of different partitions do not wait for
-- each other's row; added up when read.
create table campaigns.segment_count (
    segment_id uuid not null references campaigns.segment,
    partition smallint not null check (partition between 0 and 31),
    members bigint not null check (members >= 0),
    primary key (segment_id, partition)
);
