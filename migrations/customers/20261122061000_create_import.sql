-- Imports of files by hand: what each is, how its file is read, how far it has come.
create table customers.import (
    id              uuid        not null,
    kind            text        collate "C" not null,
    file_name       text        not null,
    size_bytes      bigint      not null,
    state           text        collate "C" not null,
    actor_kind      text        collate "C" not null,
    actor_id        text        collate "C" not null,
    source          text        collate "C" not null,
    -- How the file is read and what its columns mean.
    look            jsonb       not null,
    -- Figures of runs, and where a run goes on; written with every batch.
    work            jsonb       not null,
    failure         text        not null,
    -- The upload that is the file; null where there is none, or none any more.
    file            uuid,
    file_expires_at timestamptz,
    version         bigint      not null,
    -- The replica that works on it, and until when. The epoch rises with each change of hands and fences out one that
    -- has lost it.
    epoch           bigint      not null,
    leased_until    timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    constraint import_pkey primary key (id),
    constraint import_kind_check check (kind in ('customers', 'orders')),
    constraint import_state_check check (state in ('awaiting_file', 'ready', 'checking', 'running', 'done', 'failed',
                                                   'cancelled', 'undoing', 'undone')),
    constraint import_file_name_check check (char_length(file_name) between 1 and 255),
    constraint import_size_bytes_check check (size_bytes between 0 and 268435456),
    constraint import_version_check check (version >= 1)
);

create index import_actor_idx on customers.import (actor_kind, actor_id, id desc);
create index import_work_idx on customers.import (id) where state in ('checking', 'running', 'undoing');
create index import_file_expires_at_idx on customers.import (file_expires_at) where file_expires_at is not null;

-- The bytes of a file, in parts. An upload that breaks off leaves parts that belong to no import's file.
create table customers.import_chunk (
    import_id  uuid        not null,
    file       uuid        not null,
    ordinal    integer     not null,
    bytes      bytea       not null,
    created_at timestamptz not null,
    constraint import_chunk_pkey primary key (import_id, file, ordinal),
    constraint import_chunk_import_id_fkey foreign key (import_id) references customers.import (id),
    constraint import_chunk_ordinal_check check (ordinal between 0 and 1023),
    constraint import_chunk_bytes_check check (octet_length(bytes) between 1 and 262144)
);

create index import_chunk_created_at_idx on customers.import_chunk (created_at);

-- Rows of orders, sorted by the order they belong to, while they are imported.
create table customers.import_line (
    import_id uuid   not null,
    order_key text   collate "C" not null,
    line      bigint not null,
    cells     jsonb  not null,
    constraint import_line_pkey primary key (import_id, order_key, line),
    constraint import_line_import_id_fkey foreign key (import_id) references customers.import (id)
);

-- The rows that the last run or trial run refused.
create table customers.import_refusal (
    import_id  uuid   not null,
    line       bigint not null,
    violations jsonb  not null,
    cells      jsonb  not null,
    constraint import_refusal_pkey primary key (import_id, line),
    constraint import_refusal_import_id_fkey foreign key (import_id) references customers.import (id)
);

-- The records that a run has touched, for taking it back.
create table customers.import_record (
    import_id      uuid    not null,
    kind           text    collate "C" not null,
    record_id      uuid    not null,
    seq            bigint  not null,
    -- The version before the import touched it first; 0 where it created it.
    before_version bigint  not null,
    -- The version the import left.
    version        bigint  not null,
    -- Somebody else has changed it between two touches of the import.
    mixed          boolean not null,
    constraint import_record_pkey primary key (import_id, kind, record_id),
    constraint import_record_import_id_fkey foreign key (import_id) references customers.import (id),
    constraint import_record_kind_check check (kind in ('customer', 'order')),
    constraint import_record_version_check check (before_version >= 0 and version >= before_version)
);

create index import_record_seq_idx on customers.import_record (import_id, kind, seq desc);
