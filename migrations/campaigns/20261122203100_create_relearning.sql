-- Up to which position figures are being learned once more, because analytics was restored from a backup: until all
-- partitions are there nothing is decided by them.
create table campaigns.relearning (
    partition smallint primary key,
    until_position bigint not null check (until_position >= 0)
);
