-- Templates of e-mails. What they were before is in the journal.
create table messaging.email_template (
    id         uuid        not null,
    name       text        not null,
    -- The name in lower case: how the list sorts, and what makes two names the same.
    sort_key   text        collate "C" not null,
    subject    text        not null,
    -- Plain text and HTML with their variables; one of them may be empty.
    body_text  text        not null,
    body_html  text        not null,
    active     boolean     not null,
    version    bigint      not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint email_template_pkey primary key (id),
    constraint email_template_name_once unique (sort_key),
    constraint email_template_name_check check (char_length(name) between 1 and 200),
    constraint email_template_body_check check (body_text <> '' or body_html <> ''),
    constraint email_template_version_check check (version >= 1)
);

-- The list as it is shown unless those no longer offered are asked for.
create index email_template_active_idx on messaging.email_template (sort_key) where active;
