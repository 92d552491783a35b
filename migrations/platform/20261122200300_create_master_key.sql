-- The master keys that have been the present one in this schema. A service that is given another key under a known name, or
-- lacks one that still wraps something, does not start.
create table master_key (
    id text primary key check (length(id) between 1 and 64),
    -- By which a wrong key under this name is told; says nothing about the key.
    check_value bytea not null check (octet_length(check_value) = 32),
    first_used_at timestamptz not null,
    -- Set once nothing is wrapped under it any more; taken back when it is used again.
    retired_at timestamptz
);
