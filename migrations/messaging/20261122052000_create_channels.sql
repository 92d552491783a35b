-- Channels through which customers write to us.
create table messaging.channel (
    id uuid primary key,
    name text not null check (char_length(name) between 1 and 100),
    -- The name as it is compared: normalised and in lower case.
    name_key text collate "C" not null constraint channel_name_taken unique,
    kind text collate "C" not null check (kind = 'widget'),
    -- Names the channel on the pages that carry the widget; not a secret.
    site_key text collate "C" not null constraint channel_site_key_once unique,
    -- As browsers write them; empty for any page.
    allowed_origins text[] not null check (cardinality(allowed_origins) <= 20),
    store_id uuid,
    greeting text not null check (char_length(greeting) <= 500),
    active boolean not null,
    version bigint not null check (version >= 1),
    created_at timestamptz not null,
    updated_at timestamptz not null
);

-- How many visitors became known in the running minute of each channel, so that a flood of them has a bound. Apart from
-- the channel, whose row everybody reads.
create table messaging.channel_visits (
    channel_id uuid primary key references messaging.channel (id),
    began_at timestamptz not null,
    visits integer not null check (visits >= 0)
);

-- Visitors of the pages that carry the widget. What they call themselves stands in their dialog.
create table messaging.visitor (
    id uuid primary key,
    channel_id uuid not null references messaging.channel (id),
    -- SHA-256 of the secret that the widget keeps.
    secret_hash bytea not null constraint visitor_secret_once unique check (octet_length(secret_hash) = 32),
    -- False until the first message: who never wrote is forgotten after a while.
    has_dialog boolean not null,
    created_at timestamptz not null,
    seen_at timestamptz not null
);

create index visitor_without_dialog on messaging.visitor (seen_at) where not has_dialog;
