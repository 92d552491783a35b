-- Dialogs with customers and visitors as of now. What they were before is in the journal.
create table messaging.dialog (
    id uuid primary key,
    channel_id uuid not null references messaging.channel (id),
    -- Empty for a dialog that another system held.
    visitor_id uuid constraint dialog_visitor_once unique references messaging.visitor (id),
    -- Empty as long as nobody has said who the visitor is.
    customer_id uuid,
    visitor_name text not null check (char_length(visitor_name) <= 100),
    visitor_email text not null check (char_length(visitor_email) <= 254),
    state text collate "C" not null check (state in ('open', 'closed')),
    assignee_id uuid,
    -- Sequence numbers are given under the lock of this row: so they are dense. A dialog has as many messages as its last
    -- number says.
    last_sequence bigint not null check (last_sequence >= 1),
    -- The last message that somebody wrote, as opposed to what the system noted.
    last_spoken_sequence bigint not null check (last_spoken_sequence between 1 and last_sequence),
    read_sequence bigint not null check (read_sequence between 0 and last_sequence),
    -- How many messages of the customer stand after `read_sequence`.
    unread_count integer not null check (unread_count >= 0),
    opened_at timestamptz not null,
    closed_at timestamptz,
    last_message_at timestamptz not null,
    -- How another system names it; empty for a dialog that was held here.
    source text collate "C" check (char_length(source) between 1 and 64),
    external_id text collate "C" check (char_length(external_id) between 1 and 200),
    -- Hash of what that system said, by which a repetition is recognised.
    content_hash bytea check (octet_length(content_hash) = 32),
    version bigint not null check (version >= 1),
    updated_at timestamptz not null,
    check ((state = 'closed') = (closed_at is not null)),
    check ((source is null) = (external_id is null) and (source is null) = (content_hash is null)),
    constraint dialog_reference_once unique (source, external_id)
);

-- One index for each filter of the list, in the list's order. Nearly all dialogs are closed in the long run, and the open
-- ones are looked at all day: hence those of the open ones alone.
create index dialog_by_moment on messaging.dialog (last_message_at desc, id desc);
create index dialog_open on messaging.dialog (last_message_at desc, id desc) where state = 'open';
create index dialog_closed on messaging.dialog (last_message_at desc, id desc) where state = 'closed';
create index dialog_unread on messaging.dialog (last_message_at desc, id desc) where unread_count > 0;
create index dialog_of_nobody on messaging.dialog (last_message_at desc, id desc) where assignee_id is null;
create index dialog_open_of_nobody on messaging.dialog (last_message_at desc, id desc)
    where assignee_id is null and state = 'open';
create index dialog_by_assignee on messaging.dialog (assignee_id, last_message_at desc, id desc);
create index dialog_open_by_assignee on messaging.dialog (assignee_id, last_message_at desc, id desc)
    where state = 'open';
create index dialog_by_customer on messaging.dialog (customer_id, last_message_at desc, id desc);
create index dialog_by_channel on messaging.dialog (channel_id, last_message_at desc, id desc);

-- What was said and what happened in dialogs. Rows are added and never changed.
create table messaging.dialog_message (
    dialog_id uuid not null references messaging.dialog (id),
    sequence bigint not null check (sequence >= 1),
    id uuid not null,
    kind text collate "C" not null check (kind in ('customer', 'colleague', 'system')),
    -- What happened, for what the system noted.
    note text collate "C" check (note in ('opened', 'closed', 'assigned', 'customer_linked')),
    text text not null check (char_length(text) <= 4000),
    -- The colleague who wrote, or to whom the dialog was given.
    user_id uuid,
    -- The writer's own id of the message.
    client_message_id uuid,
    created_at timestamptz not null,
    primary key (dialog_id, sequence),
    constraint dialog_message_once unique (dialog_id, kind, client_message_id),
    check ((kind = 'system') = (note is not null)),
    check ((kind = 'system') = (text = ''))
);

-- What customers wrote: how much of it is unread, and how fast it comes.
create index dialog_message_of_customer on messaging.dialog_message (dialog_id, sequence) where kind = 'customer';
