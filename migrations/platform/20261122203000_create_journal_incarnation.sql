-- What has become of the journal by being restored from backups. A restored journal gives positions once more, to other
-- events: each restore begins a new incarnation, and notes how far it has its events in common with the one before.
-- A journal that was never restored has none. Written by `clientele restored` alone.
create table journal_incarnation (
    -- In the order of restores.
    number bigint primary key check (number > 0),
    id uuid not null unique,
    restored_at timestamptz not null,
    -- The position of each partition, from 0 to 31, at which it begins.
    positions bigint[] not null check (cardinality(positions) = 32)
);

-- The incarnation of the source's journal that the position belongs to.
alter table cursor add column incarnation uuid;
