-- The captured mailbox: letters that were kept instead of being sent.
create table messaging.captured_email (
    id           uuid        not null,
    -- A letter is captured once, however often its sending is tried.
    email_id     uuid        not null,
    customer_id  uuid        not null,
    to_address   text        not null,
    from_address text        not null,
    subject      text        not null,
    body_text    text        not null,
    body_html    text        not null,
    -- The letter as RFC 5322 has it.
    source       text        not null,
    captured_at  timestamptz not null,
    constraint captured_email_pkey primary key (id),
    constraint captured_email_once unique (email_id),
    constraint captured_email_email_fkey foreign key (email_id) references messaging.email (id)
);

create index captured_email_captured_at_idx on messaging.captured_email (captured_at desc, id desc);
