-- Failed sign-ins counted per login and per network address, shared by all replicas.
create table identity.sign_in_throttle (
    kind text not null check (kind in ('login', 'address')),
    -- SHA-256 of the login or address: of one length whatever was sent, and no address is kept.
    subject bytea not null check (octet_length(subject) = 32),
    failures integer not null check (failures >= 0),
    failed_at timestamptz not null,
    blocked_until timestamptz,
    -- From when the row means nothing any more.
    forget_at timestamptz not null,
    primary key (kind, subject)
);

create index sign_in_throttle_by_forgetting on identity.sign_in_throttle (forget_at);
