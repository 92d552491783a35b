-- What customers agreed to and took back: a ledger. What holds now is asked of it each time, by the newest entry of each key
-- (channel, contact point or all, address, purpose), so that no second truth can differ from it.
create table customers.consent_entry (
    id               uuid        not null,
    customer_id      uuid        not null,
    -- Place among the customer's entries, from 1. Writers hold the customer's row, so it is dense and in commit order.
    ordinal          bigint      not null,
    channel          text        collate "C" not null,
    -- No foreign key: entries outlive the contact point they were made for. Null for all there are and will be.
    contact_point_id uuid,
    -- The address the entry was made for, as typed and as compared: an entry counts while the contact point has it.
    address          text        not null,
    address_key      text        collate "C" not null,
    purpose          text        collate "C" not null,
    granted          boolean     not null,
    evidence         text        not null,
    actor_kind       text        not null,
    actor_id         text        not null,
    origin           text        not null,
    integration      text,
    recorded_at      timestamptz not null,
    constraint consent_entry_pkey primary key (id),
    constraint consent_entry_customer_id_fkey foreign key (customer_id) references customers.customer (id),
    constraint consent_entry_ordinal_key unique (customer_id, ordinal),
    constraint consent_entry_ordinal_check check (ordinal >= 1),
    constraint consent_entry_channel_check check (channel in ('email', 'sms', 'call')),
    constraint consent_entry_purpose_check check (purpose in ('every', 'marketing', 'service')),
    constraint consent_entry_address_check check (char_length(address) <= 254 and char_length(address_key) <= 300),
    constraint consent_entry_evidence_check check (char_length(evidence) <= 2000)
);

-- The newest entry of each key of a customer.
create index consent_entry_key_idx
    on customers.consent_entry (customer_id, channel, contact_point_id, address_key, purpose, ordinal desc);

-- An entry is never removed nor changed. Erasing a person clears what is personal in it, and nothing else.
create function customers.keep_consent_entry() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE'
        and new.address = '' and new.address_key = '' and new.evidence = ''
        and (new.id, new.customer_id, new.ordinal, new.channel, new.contact_point_id, new.purpose, new.granted,
             new.actor_kind, new.actor_id, new.origin, new.integration, new.recorded_at)
            is not distinct from
            (old.id, old.customer_id, old.ordinal, old.channel, old.contact_point_id, old.purpose, old.granted,
             old.actor_kind, old.actor_id, old.origin, old.integration, old.recorded_at)
    then
        return new;
    end if;
    raise exception 'an entry of the ledger of consents is never changed or removed';
end
$$;

create trigger consent_entry_keep before update or delete on customers.consent_entry
    for each row execute function customers.keep_consent_entry();
create trigger consent_entry_keep_all before truncate on customers.consent_entry
    for each statement execute function customers.keep_consent_entry();
