-- The ledger of sending: every letter that was asked for or that another system sent, and what became of it.
create table messaging.email (
    id                uuid        not null,
    customer_id       uuid        not null,
    -- The customer's contact point; null for an address that is none of the customer's.
    contact_point_id  uuid,
    to_address        text        not null,
    -- Why it goes to an address that is none of the customer's; empty otherwise.
    address_reason    text        not null,
    from_address      text        not null,
    from_name         text        not null,
    reply_to          text        not null,
    -- What was made of template and variables when the letter was accepted: every attempt sends the same.
    subject           text        not null,
    body_text         text        not null,
    body_html         text        not null,
    template_id       uuid,
    purpose           text        not null,
    state             text        not null,
    -- Why it is not sent, as a stable word, and the mail server's last words.
    reason            text        not null,
    detail            text        not null,
    -- Entries of the ledger of consents that decided.
    consent_entry_ids uuid[]      not null,
    -- Conversations with the mail server that were begun.
    attempts          integer     not null,
    -- How often it was put back before any conversation, because consent could not be asked.
    postponements     integer     not null,
    next_attempt_at   timestamptz,
    message_id        text        not null,
    -- The worker that has it. The epoch rises with each claim and fences out a worker whose claim has ended.
    claim_epoch       bigint      not null,
    claimed_by        uuid,
    claimed_until     timestamptz,
    -- When the letter itself began to be handed over in the present attempt: from then on nobody can know, until the
    -- mail server answers, whether it has taken it.
    handed_over_at    timestamptz,
    actor_kind        text        not null,
    actor_id          text        not null,
    -- What a repetition is known by, for ever; null for a letter of another system.
    request_id        text,
    request_hash      bytea,
    -- How another system names it; null for a letter from here.
    source            text,
    external_id       text,
    version           bigint      not null,
    created_at        timestamptz not null,
    settled_at        timestamptz,
    constraint email_pkey primary key (id),
    constraint email_request_once unique (request_id),
    constraint email_reference_once unique (source, external_id),
    constraint email_origin_check check ((request_id is null) = (request_hash is null)
        and (request_id is null) <> (source is null) and (source is null) = (external_id is null)),
    constraint email_purpose_check check (purpose in ('marketing', 'service')),
    constraint email_state_check check (state in ('queued', 'claimed', 'sent', 'failed', 'suppressed', 'unknown')),
    -- Waiting has a moment to wait for, a claim has an end, and only what is settled has a moment of that.
    constraint email_waiting_check check ((state = 'queued') = (next_attempt_at is not null)),
    constraint email_claim_check check ((state = 'claimed') = (claimed_until is not null)),
    constraint email_settled_check check ((state in ('queued', 'claimed')) = (settled_at is null)),
    constraint email_version_check check (version >= 1)
);

-- The queue, and the claims that may have ended.
create index email_queue_idx on messaging.email (next_attempt_at, id) where state = 'queued';
create index email_claim_idx on messaging.email (claimed_until) where state = 'claimed';

-- The lists, newest first: of all, of a customer, of a state.
create index email_created_at_idx on messaging.email (created_at desc, id desc);
create index email_customer_id_created_at_idx on messaging.email (customer_id, created_at desc, id desc);
create index email_state_created_at_idx on messaging.email (state, created_at desc, id desc);
