-- A partition may be built again up to nothing: the journal it is built of was restored to a moment before its first event.
-- harmless: drop: what takes its place allows more
-- harmless: new-constraint: it allows more than the one before
-- harmless: lock-lasts: the table has a row for each partition that is being rebuilt, 32 at most
alter table analytics.rebuilding drop constraint rebuilding_until_position_check;
alter table analytics.rebuilding
    add constraint rebuilding_until_position_check check (until_position >= 0) not valid;
alter table analytics.rebuilding validate constraint rebuilding_until_position_check;
