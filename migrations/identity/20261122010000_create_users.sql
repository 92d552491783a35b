-- People who may sign in, and the groups that say what they may do.
create table identity.user (
    id uuid primary key,
    login text not null check (char_length(login) between 3 and 254),
    -- The login as it is compared: normalised and in lower case.
    login_key text not null constraint user_login_taken unique,
    display_name text not null check (char_length(display_name) between 1 and 200),
    state text not null check (state in ('active', 'disabled')),
    -- Argon2id in PHC form; it names its own parameters.
    password_hash text not null check (char_length(password_hash) between 1 and 500),
    version bigint not null check (version >= 1),
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create table identity.group (
    id uuid primary key,
    name text not null check (char_length(name) between 1 and 100),
    name_key text not null constraint group_name_taken unique,
    permissions text[] not null check (cardinality(permissions) <= 1000),
    -- The administrators' group may do everything, so it lists no permissions.
    administrators boolean not null,
    version bigint not null check (version >= 1),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint group_administrators_need_no_list check (not administrators or cardinality(permissions) = 0)
);

create unique index group_administrators_once on identity.group (administrators) where administrators;

create table identity.user_group (
    user_id uuid not null references identity.user (id),
    group_id uuid not null constraint user_group_exists references identity.group (id),
    primary key (user_id, group_id)
);

create index user_group_by_group on identity.user_group (group_id);
