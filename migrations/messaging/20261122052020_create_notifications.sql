-- What colleagues are told, the newest thousand for each.
create table messaging.notification (
    id uuid primary key,
    user_id uuid not null,
    kind text collate "C" not null
        check (kind in ('import_finished', 'import_failed', 'import_undone', 'import_checked')),
    -- The record concerned: an import, for instance.
    subject_id uuid not null,
    -- Figures by name.
    counts jsonb not null,
    -- The event it tells of, which is told once however often it comes.
    event_id uuid not null constraint notification_event_once unique,
    version bigint not null check (version >= 1),
    created_at timestamptz not null,
    read_at timestamptz
);

create index notification_by_user on messaging.notification (user_id, created_at desc, id desc);
create index notification_unread on messaging.notification (user_id, created_at desc, id desc) where read_at is null;
