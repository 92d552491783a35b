-- What every service's schema has besides its own tables. Names are not qualified: the migrator sets the search path to
-- the schema of the service.

-- Append-only: outbox, audit history, change feed and past states in one.
create table journal (
    id uuid primary key,
    partition smallint not null check (partition between 0 and 31),
    position bigint not null check (position > 0),
    aggregate_type text not null,
    aggregate_id uuid not null,
    aggregate_version bigint not null check (aggregate_version > 0),
    event_type text not null,
    customer_id uuid,
    -- Protobuf of the public event; no personal data.
    public_payload bytea not null check (octet_length(public_payload) <= 262144),
    -- Protobuf of the aggregate after the change, sealed under the key of `subject_id`.
    private_payload bytea,
    subject_id uuid not null,
    actor_kind text not null,
    actor_id text not null,
    origin text not null,
    integration text,
    traceparent text,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    unique (partition, position),
    unique (aggregate_type, aggregate_id, aggregate_version)
);

comment on table journal is 'append-only: the runtime role may insert and select, nothing else';

-- The position of the newest event of each partition. Raised by the last statements of a transaction, whose lock on
-- these rows lasts until it commits: so positions are dense and in the order of commits.
create table journal_head (
    partition smallint primary key check (partition between 0 and 31),
    position bigint not null
);

insert into journal_head (partition, position) select n, 0 from generate_series(0, 31) as n;

-- The keys under which private payloads are sealed, wrapped by the master key. Destroying a key erases what it sealed.
create table subject_key (
    subject_id uuid primary key,
    master_key_id text not null,
    wrapped_key bytea not null,
    created_at timestamptz not null
);

-- Answers to commands that carried a request id, so that a repetition gets the same answer.
create table request_log (
    actor text not null,
    method text not null,
    request_id text not null check (length(request_id) <= 128),
    request_hash bytea not null,
    -- Protobuf of the answer, sealed under the master key.
    response bytea,
    created_at timestamptz not null,
    primary key (actor, method, request_id)
);

create index request_log_created_at on request_log (created_at);

-- How far a consumer has come in a partition of another context's journal, and which replica works on it. The epoch
-- rises with each change of hands and fences out a replica that lost its lease.
create table cursor (
    consumer text not null,
    partition smallint not null check (partition between 0 and 31),
    position bigint not null default 0,
    recorded_at timestamptz,
    parked bigint not null default 0,
    epoch bigint not null default 0,
    owner uuid,
    leased_until timestamptz,
    primary key (consumer, partition)
);

-- The replicas of a consumer that are alive, so that each takes its share of the partitions.
create table consumer_member (
    consumer text not null,
    owner uuid not null,
    alive_until timestamptz not null,
    primary key (consumer, owner)
);

-- Events that could not be applied, and those of the same aggregate that came after.
create table parked_event (
    consumer text not null,
    partition smallint not null,
    position bigint not null,
    aggregate_id uuid not null,
    aggregate_version bigint not null,
    event bytea not null,
    reason text not null,
    attempts integer not null,
    parked_at timestamptz not null,
    primary key (consumer, partition, position)
);

create index parked_event_aggregate on parked_event (consumer, aggregate_id, aggregate_version);

-- How far the relay has published each partition.
create table relay_cursor (
    partition smallint primary key check (partition between 0 and 31),
    position bigint not null
);

insert into relay_cursor (partition, position) select n, 0 from generate_series(0, 31) as n;

-- Work that one replica at a time does.
create table lease (
    name text primary key,
    owner uuid not null,
    epoch bigint not null,
    leased_until timestamptz not null
);
