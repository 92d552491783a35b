-- Ed25519 keys by which tokens are signed. The private half is sealed under the master key of the configuration.
create table identity.signing_key (
    id uuid primary key,
    public_key bytea not null check (octet_length(public_key) = 32),
    sealed_private_key bytea not null check (octet_length(sealed_private_key) between 32 and 1024),
    -- Published from its creation, signs from here on until a later key does.
    signs_from timestamptz not null constraint signing_key_starts_once unique,
    created_at timestamptz not null
);
