-- The orders of the batch that is about to be sent, with their versions before: should the answer be lost, they tell what
-- the batch has done. Gone when the batch is settled.
create table customers.import_intent (
    import_id   uuid   not null,
    -- The order, by its id at the source of the import.
    external_id text   collate "C" not null,
    -- 0 where there was no such order.
    version     bigint not null,
    constraint import_intent_pkey primary key (import_id, external_id),
    constraint import_intent_import_id_fkey foreign key (import_id) references customers.import (id),
    constraint import_intent_version_check check (version >= 0)
);
