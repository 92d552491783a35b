-- Letters, dialogs, segments and consents stand in the timeline too.
alter table analytics.timeline_entry drop constraint timeline_entry_source_check;
alter table analytics.timeline_entry
    add constraint timeline_entry_source_check check (source in ('customers', 'orders', 'messaging', 'campaigns')) not valid;
alter table analytics.timeline_entry validate constraint timeline_entry_source_check;

-- What the entry is shown as being about, where that is not the record whose versions it counts: a segment, for a
-- membership.
alter table analytics.timeline_entry add column about_id uuid;
alter table analytics.timeline_entry add column label text not null default '' check (char_length(label) <= 200);

-- What was last told of each customer's figures, and in which version: the others hear of a change once.
create table analytics.customer_told (
    customer_id uuid primary key,
    partition smallint not null,
    version bigint not null check (version > 0),
    figures bytea not null
);

create index customer_told_partition_idx on analytics.customer_told (partition, customer_id);

-- Up to which position figures are being built again: what they are on the way there is nobody's business.
create table analytics.rebuilding (
    partition smallint primary key,
    until_position bigint not null check (until_position > 0)
);
