-- What is personal in an entry of the ledger of consents goes when a customer is erased, and at no other time: an update that
-- strays there is refused whatever it writes. Only the function below clears, with the rights of whoever owns the table, and
-- only for a customer whose contact points are gone.
alter table customers.consent_entry
    -- When address and evidence were cleared; null while they stand.
    add column cleared_at timestamptz;

-- Entries cleared before this was noted are known by a contact point without an address.
alter table customers.consent_entry disable trigger consent_entry_keep;
update customers.consent_entry set cleared_at = recorded_at where contact_point_id is not null and address_key = '';
alter table customers.consent_entry enable trigger consent_entry_keep;

-- Checked for the entries there are by the next migration, which holds nobody up who asks whether to send. An entry
-- without an address is for all contact points, or was cleared: nothing else may be taken for either.
alter table customers.consent_entry
    add constraint consent_entry_address_present_check
        check ((address_key = '') = (contact_point_id is null or cleared_at is not null)) not valid,
    add constraint consent_entry_cleared_check
        check (cleared_at is null or (address = '' and address_key = '' and evidence = '')) not valid;

create or replace function customers.keep_consent_entry() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE'
        -- Within the function below that is the owner; the service works as somebody else.
        and current_user = (select pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class c where c.oid = tg_relid)
        and old.cleared_at is null and new.cleared_at is not null
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

-- Clears what is personal in the entries of a customer who is erased; gives how many were cleared. The customer's row is
-- locked, so that no contact point comes in between.
create function customers.clear_consent_entries(erased uuid, at timestamptz) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    cleared bigint;
begin
    perform from customers.customer c where c.id = erased for update;
    if exists (select from customers.contact_point p where p.customer_id = erased) then
        raise exception 'consents of customer % are cleared after the contact points, which are still there', erased;
    end if;
    update customers.consent_entry e set address = '', address_key = '', evidence = '', cleared_at = at
    where e.customer_id = erased and e.cleared_at is null;
    get diagnostics cleared = row_count;
    return cleared;
end
$$;
