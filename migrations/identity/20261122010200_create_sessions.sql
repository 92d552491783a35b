-- Sessions of people who signed in. The secret itself is stored nowhere.
create table identity.session (
    id uuid primary key,
    user_id uuid not null references identity.user (id),
    secret_hash bytea not null constraint session_secret_once unique check (octet_length(secret_hash) = 32),
    user_agent text not null check (char_length(user_agent) <= 300),
    created_at timestamptz not null,
    used_at timestamptz not null,
    -- When it ends if it is not used; use moves it on, up to ends_at.
    expires_at timestamptz not null,
    ends_at timestamptz not null,
    check (expires_at <= ends_at)
);

create index session_by_user on identity.session (user_id, id);
create index session_by_expiry on identity.session (expires_at);
