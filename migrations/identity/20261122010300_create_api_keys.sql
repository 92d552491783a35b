-- Keys by which programs prove who they are. Kept when revoked: history names them.
create table identity.api_key (
    id uuid primary key,
    name text not null check (char_length(name) between 1 and 100),
    scopes text[] not null check (cardinality(scopes) between 1 and 1000),
    prefix text not null check (char_length(prefix) = 12),
    secret_hash bytea not null constraint api_key_secret_once unique check (octet_length(secret_hash) = 32),
    expires_at timestamptz,
    revoked_at timestamptz,
    version bigint not null check (version >= 1),
    created_at timestamptz not null,
    created_by uuid not null references identity.user (id)
);

create index api_key_by_creator on identity.api_key (created_by);
